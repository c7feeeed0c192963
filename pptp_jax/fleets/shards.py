"""What each process of a run has trained by itself, and how it becomes one fleet."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from pptp_jax.signals import SignalStore


def shard(home: Path, process: int) -> Path:
    """Where a process other than process 0 keeps its signals of the fleet in `home`."""
    return home / "shards" / str(process)


def gather(home: Path, stores: Mapping[int, SignalStore]) -> None:
    """Takes what is in shards, of whatever run, into the fleet's own stores; then the shards go.

    Args:
        home: the fleet's own directory.
        stores: the fleet's own, by the epochs behind it.
    """
    for place in sorted((home / "shards").glob("*")):
        for epochs, store in stores.items():
            store.take(SignalStore(place / f"after-{epochs}", store.layout))
    shutil.rmtree(home / "shards", ignore_errors=True)
