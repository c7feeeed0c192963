"""The state of a group on its way, kept by Orbax so that an interrupted training can go on."""

import errno
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from pptp_jax.files import write_json

_SUMS = "blake2b.json"


class Checkpoint:
    """Saves the state after an epoch, at most every so many seconds, and gives back the last one.

    Orbax writes a state aside and renames it when it is whole. Then a checksum of each of its files
    is put beside them, and only then is the state before it dropped. One without them, or whose
    bytes have changed, counts as missing: Orbax reads some flipped bits as numbers.
    """

    def __init__(self, directory: Path, every: float = 30.0) -> None:
        """Nothing is written before the first save.

        Args:
            directory: a directory of its own.
            every: the least number of seconds between two saves.
        """
        self._directory = directory.absolute()
        self._every = every
        self._last = time.monotonic()

    def latest(self) -> int | None:
        """The number of epochs behind the last saved state; None if there is none."""
        kept = self._directory.glob("*/" + _SUMS)
        epochs = sorted((int(path.parent.name) for path in kept), reverse=True)
        return next((epoch for epoch in epochs if self._whole(epoch)), None)

    def restore(self, epoch: int, like: Any) -> Any:
        """The state saved after `epoch` epochs, in the structure, shapes and types of `like`."""
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        with ocp.StandardCheckpointer() as orbax:
            return orbax.restore(self._path(epoch), shapes)

    def save(self, epoch: int, state: Any, *, now: bool = False) -> None:
        """Saves the state, if the last save is long enough ago; returns when it is on disk.

        Args:
            epoch: how many epochs are behind it.
            state: a pytree of arrays.
            now: whether it is saved in any case.

        Raises:
            OSError: if the disk is full; the state before stands.
        """
        if not now and time.monotonic() - self._last < self._every:
            return
        path = self._path(epoch)
        for left in self._directory.glob("*.orbax-checkpoint-tmp*"):  # by a process that was killed
            shutil.rmtree(left)
        try:
            with ocp.StandardCheckpointer() as orbax:
                orbax.save(path, state, force=True)
        except ValueError as error:
            full = os.strerror(errno.ENOSPC)
            if full not in str(error):
                raise
            raise OSError(errno.ENOSPC, full, str(path)) from error
        write_json(path / _SUMS, _sums(path))
        for other in self._directory.iterdir():
            if other != path:
                shutil.rmtree(other)
        self._last = time.monotonic()

    def _path(self, epoch: int) -> Path:
        return self._directory / str(epoch)

    def _whole(self, epoch: int) -> bool:
        path = self._path(epoch)
        try:
            return bool(json.loads((path / _SUMS).read_text()) == _sums(path))
        except (OSError, ValueError):
            return False


def _sums(directory: Path) -> dict[str, str]:
    """A checksum of each file but the one that holds them."""
    sums = {}
    for path in directory.rglob("*"):
        if path.is_file() and path.name != _SUMS:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "blake2b").hexdigest()
            sums[str(path.relative_to(directory))] = digest
    return sums
