"""Shards: the signals of each process of a run, and how they are merged into one fleet."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from pptp_jax.signals import SignalStore


def shard(home: Path, number: int) -> Path:
    """The directory of signals that another process has trained for the fleet in `home`.

    Args:
        home: the fleet's own directory.
        number: that of a process other than process 0, or of a group that an executor trains.
    """
    return home / "shards" / str(number)


def take(place: Path, stores: Mapping[int, SignalStore]) -> None:
    """Copies a shard into the fleet's own stores, then removes it.

    Args:
        place: the shard.
        stores: the fleet's own, by the epochs behind it.
    """
    for epochs, store in stores.items():
        store.take(SignalStore(place / f"after-{epochs}", store.layout))
    shutil.rmtree(place, ignore_errors=True)


def gather(home: Path, stores: Mapping[int, SignalStore]) -> None:
    """Copies all shards, of any run, into the fleet's own stores, then removes them.

    Args:
        home: the fleet's own directory.
        stores: the fleet's own, by the epochs behind it.
    """
    for place in sorted((home / "shards").glob("*")):
        take(place, stores)
    shutil.rmtree(home / "shards", ignore_errors=True)
