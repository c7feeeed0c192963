"""SIGINT and SIGTERM: a run stops at the end of an epoch, when its state is saved."""

import math
import signal
import time
from types import FrameType
from typing import Any


class Interruption:
    """A context in which SIGINT and SIGTERM wait for the end of the current epoch.

    `KeyboardInterrupt` is raised at once where no epoch has ended lately, so that the next end may
    be far; for a second signal; and when the end has not come in time. Then the last state that was
    saved stands.

    Examples:
        >>> with Interruption() as interruption:
        ...     _ = interruption.requested()  # at the end of each epoch
        ...     signal.raise_signal(signal.SIGTERM)
        ...     interruption.requested(), interruption.exit_code
        (True, 143)
    """

    def __init__(self, grace: float = 10.0) -> None:
        """Changes no handler yet.

        Args:
            grace: the seconds in which an epoch has to end.
        """
        self._grace = grace
        self._signal: int | None = None
        self._ended = -math.inf
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            self._handlers[number] = signal.signal(number, self._noted)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def requested(self) -> bool:
        """Whether to stop, to be called where an epoch has ended."""
        self._ended = time.monotonic()
        return self._signal is not None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that this signal has ended."""
        return 128 + (self._signal or signal.SIGINT)

    def _noted(self, number: int, frame: FrameType | None) -> None:
        first, self._signal = self._signal is None, self._signal or number
        if not first or time.monotonic() - self._ended > self._grace:
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, self._grace)
