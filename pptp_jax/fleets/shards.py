"""What each process of a run has trained by itself, and how it becomes one fleet."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from pptp_jax.signals import SignalStore


def shard(home: Path, number: int) -> Path:
    """Where signals of the fleet in `home` lie that were not trained by who keeps its stores.

    Args:
        home: the fleet's own directory.
        number: that of a process other than process 0, or that of a group an executor works off.
    """
    return home / "shards" / str(number)


def take(place: Path, stores: Mapping[int, SignalStore]) -> None:
    """Takes what is in a shard into the fleet's own stores; then the shard goes.

    Args:
        place: the shard.
        stores: the fleet's own, by the epochs behind it.
    """
    for epochs, store in stores.items():
        store.take(SignalStore(place / f"after-{epochs}", store.layout))
    shutil.rmtree(place, ignore_errors=True)


def gather(home: Path, stores: Mapping[int, SignalStore]) -> None:
    """Takes what is in shards, of whatever run, into the fleet's own stores; then the shards go.

    Args:
        home: the fleet's own directory.
        stores: the fleet's own, by the epochs behind it.
    """
    for place in sorted((home / "shards").glob("*")):
        take(place, stores)
    shutil.rmtree(home / "shards", ignore_errors=True)
