"""The processes that share a run: how they communicate and wait for each other.

They say little to each other, and all of it through the key-value store of `jax.distributed`: no
collective ever waits for a process that is gone.
"""

import itertools
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pptp_jax.validation import Refused

_POLL = 0.1
_T = TypeVar("_T")


class Board(Protocol):
    """A key-value store of short texts that all processes share."""

    def put(self, key: str, text: str) -> None:
        """Stores a text under a key, and replaces an earlier one."""

    def under(self, key: str) -> Mapping[str, str]:
        """The texts whose keys begin with `key/`, by the rest of their keys."""


class Processes:
    """How many processes share a run, and which one this is; process 0 plans and reports.

    All of them make the same calls in the same order.

    Examples:
        >>> alone = Processes()
        >>> alone.first, alone.share([3, 5]), alone.agree(lambda: {"groups": ((0, 1),)})
        (True, [3, 5], {'groups': [[0, 1]]})
    """

    def __init__(self, count: int = 1, index: int = 0, board: Board | None = None) -> None:
        """Sends nothing yet.

        Args:
            count: how many there are.
            index: which one this is, from 0.
            board: reaches the others; None where there are none.
        """
        self.count, self.index = count, index
        self._board = board
        self._calls = itertools.count()

    @property
    def first(self) -> bool:
        """Whether this is process 0."""
        return self.index == 0

    def share(self, items: Sequence[_T]) -> list[_T]:
        """The items that are this process's: every item is one process's."""
        return list(items[self.index :: self.count])

    def agree(self, find: Callable[[], Any]) -> Any:
        """Broadcasts what process 0 finds to all processes, which wait for it.

        Args:
            find: called in process 0 alone; returns plain data, which is passed on as JSON.
        """
        key = f"agreed/{next(self._calls)}"
        text = json.dumps(find()) if self.first else None
        if self._board is None:
            assert text is not None  # who is alone is the first
            return json.loads(text)
        if text is not None:
            self._board.put(f"{key}/0", text)
        return json.loads(self._until(key, 1)["0"])

    def wait(self) -> None:
        """Returns when all processes have come to this call."""
        key = f"reached/{next(self._calls)}"
        if self._board is not None:
            self._board.put(f"{key}/{self.index}", "")
            self._until(key, self.count)

    def check_shared(self, directory: Path) -> None:
        """Makes a directory, and makes sure that all processes see the same one.

        Raises:
            ValueError: if this process does not see what process 0 writes.
        """
        if self._board is None:
            return
        mark = directory / f".{self.agree(lambda: secrets.token_hex(8))}"

        def leave() -> None:
            directory.mkdir(parents=True, exist_ok=True)
            mark.touch()

        self.agree(leave)
        if not mark.exists():
            raise Refused(
                f"process {self.index} does not see what process 0 writes into "
                f"{directory.absolute()}: the run directory must be on a file system that all "
                f"{self.count} processes share"
            )
        self.wait()
        if self.first:
            mark.unlink()

    def _until(self, key: str, texts: int) -> Mapping[str, str]:
        assert self._board is not None
        while len(found := self._board.under(key)) < texts:
            time.sleep(_POLL)  # in Python, where signals are heard
        return found
