"""Checkpoints of a group by Orbax, so that an interrupted training resumes."""

import errno
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from pptp_jax.storage.files import write_arrays, write_json

_SUMS = "blake2b.json"
_LEAVES = "leaves.npz"


class Checkpoint:
    """Saves the state after an epoch, at most every `seconds`, and restores the last one.

    A streamed training counts in steps, where a fleet counts in epochs.

    Orbax writes a state aside and renames it when it is complete. Then a checksum of each of its
    files is put beside them, and only then is the state before it dropped. One without them, or
    whose bytes have changed, counts as missing: Orbax reads some flipped bits as numbers.

    Where processes share a run, each keeps states of its own, which Orbax does not know: it takes
    them for parts of one state, and waits for all. Then they are kept as NumPy arrays, and those
    that Orbax has kept before count as missing.
    """

    def __init__(self, directory: Path, every: float = 30.0, *, arrays: bool = False) -> None:
        """Writes nothing before the first save.

        Args:
            directory: a directory of its own.
            every: the least number of seconds between two saves.
            arrays: whether states are kept as NumPy arrays in any case, which takes a fraction of
                the time for small ones.
        """
        self._plain = arrays
        self._directory = directory.absolute()
        self._every = every
        self._last = time.monotonic()

    def within(self, name: str) -> "Checkpoint":
        """One like it, in a directory of that name within its own."""
        return Checkpoint(self._directory / name, self._every, arrays=self._plain)

    def latest(self) -> int | None:
        """The number of epochs behind the last saved state; None if there is none."""
        kept = self._directory.glob("*/" + _SUMS)
        if self._arrays:
            kept = (path for path in kept if path.with_name(_LEAVES).exists())
        epochs = sorted((int(path.parent.name) for path in kept), reverse=True)
        return next((epoch for epoch in epochs if self._intact(epoch)), None)

    def restore(self, epoch: int, like: Any) -> Any:
        """The state saved after `epoch` epochs, in the structure, shapes and types of `like`."""
        leaves = self._path(epoch) / _LEAVES
        if leaves.exists():
            wanted, structure = jax.tree.flatten(like)
            with np.load(leaves, allow_pickle=False) as arrays:
                found = [_array(arrays[str(i)], leaf) for i, leaf in enumerate(wanted)]
            return jax.tree.unflatten(structure, found)
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
            if self._arrays:
                arrays = {str(i): _bits(x) for i, x in enumerate(jax.tree.leaves(state))}
                write_arrays(path / _LEAVES, arrays)
            else:
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

    @property
    def _arrays(self) -> bool:
        return self._plain or _many()  # not earlier: JAX may not know its processes yet

    def _path(self, epoch: int) -> Path:
        return self._directory / str(epoch)

    def _intact(self, epoch: int) -> bool:
        path = self._path(epoch)
        try:
            return bool(json.loads((path / _SUMS).read_text()) == _sums(path))
        except (OSError, ValueError):
            return False


def _many() -> bool:
    return jax.process_count() > 1


def _is_key(leaf: Any) -> bool:
    return jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _bits(leaf: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _array(bits: np.ndarray, like: Any) -> jax.Array:
    if _is_key(like):
        return jax.random.wrap_key_data(jax.numpy.asarray(bits))
    return jax.numpy.asarray(bits.view(like.dtype))  # NumPy reads bfloat16 as two bytes


def _sums(directory: Path) -> dict[str, str]:
    """A checksum of each file but the one that holds them."""
    sums = {}
    for path in directory.rglob("*"):
        if path.is_file() and path.name != _SUMS:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "blake2b").hexdigest()
            sums[str(path.relative_to(directory))] = digest
    return sums
