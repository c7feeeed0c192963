"""The state of a group on its way, kept by Orbax so that an interrupted training can go on."""

import time
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp


class Checkpoint:
    """Saves the state after an epoch, at most every so many seconds, and gives back the last one.

    Orbax writes a step aside and renames it when it is whole, so a step that can be read is a whole
    one, whenever the process was killed.
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
        if not self._directory.is_dir():
            return None
        with self._manager() as manager:
            return manager.latest_step()

    def restore(self, epoch: int, like: Any) -> Any:
        """The state saved after `epoch` epochs, in the structure, shapes and types of `like`."""
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        with self._manager() as manager:
            return manager.restore(epoch, args=ocp.args.StandardRestore(shapes))

    def save(self, epoch: int, state: Any) -> None:
        """Saves the state, if the last save is long enough ago; returns when it is on disk."""
        if time.monotonic() - self._last < self._every:
            return
        with self._manager() as manager:
            manager.save(epoch, args=ocp.args.StandardSave(state))
        self._last = time.monotonic()

    def _manager(self) -> ocp.CheckpointManager:
        return ocp.CheckpointManager(
            self._directory, options=ocp.CheckpointManagerOptions(max_to_keep=1, create=True)
        )
