"""Join the processes of a run by `jax.distributed`, and stop them together."""

import _thread
import atexit
import itertools
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pptp_jax.distributed.processes import Board, Processes
from pptp_jax.validation import Refused

_STOPPED = "stopped: "
_BEAT = 1.0  # seconds
_COMING = 300
_COLLECTIVES = re.compile("gloo|nccl", re.IGNORECASE)  # XLA has no exception of its own for them


@contextmanager
def joined(
    coordinator: str | None = None,
    count: int | None = None,
    index: int | None = None,
    *,
    patience: float = 60.0,
    together: bool = False,
) -> Iterator[Processes]:
    """Joins the processes of a run, before anything else asks JAX for devices.

    A process that stops tells the others why. They, and those that have not heard of a process for
    as long as they have patience, are interrupted as by Ctrl-C. If process 0 is killed, JAX ends
    the others at once, with a message of its own.

    Args:
        coordinator: host and port of process 0; None finds all three in the environment of a TPU
            pod, SLURM or Open MPI.
        count: how many processes there are.
        index: which one this is, from 0.
        patience: the seconds after which a silent process counts as dead.
        together: whether they may train one model together, so that CPUs need collectives.

    Yields:
        The processes.

    Raises:
        ValueError: if not all of the three are given and they are not found either; if the others
            do not come.
        ConnectionError: if one is lost while all of them train the same models.
    """
    import jax
    from jax._src.distributed import global_state  # the store has no public name

    given = coordinator, count, index
    jax.config.update("jax_cpu_collectives_implementation", "gloo" if together else None)
    # SIGTERM is ours.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            *given,
            heartbeat_timeout_seconds=int(4 * patience) + 1,  # so that our word comes first
            shutdown_timeout_seconds=int(patience) + 1,
            initialization_timeout=_COMING,
        )
    except ValueError as error:
        raise Refused(
            f"no TPU pod, SLURM or Open MPI in the environment tells who the processes are, so "
            f"coordinator, processes and process must all be given; got {given} ({error})"
        ) from error
    except RuntimeError as error:
        raise Refused(f"the processes did not come together: {error}") from error
    board = _Store(global_state.client)
    processes = Processes(global_state.num_processes, global_state.process_id, board)
    watch = Watch(processes.count, processes.index, board, patience)
    try:
        yield processes
        processes.wait()
    except BaseException as error:
        watch.leave(str(error) or "interrupted")
        # At its own exit JAX would wait for the others once more, and abort.
        atexit.register(_exit_now)
        if isinstance(error, jax.errors.JaxRuntimeError) and _COLLECTIVES.search(str(error)):
            raise ConnectionError(
                f"a process was lost while all trained together; the same command goes on from "
                f"here ({error})"
            ) from error
        raise
    watch.end()
    jax.distributed.shutdown()


def _exit_now() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


class _Store:
    """The key-value store of `jax.distributed` as a board."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def put(self, key: str, text: str) -> None:
        self._client.key_value_set(f"pptp/{key}", text, allow_overwrite=True)

    def under(self, key: str) -> Mapping[str, str]:
        prefix = f"pptp/{key}/"
        return {
            name.removeprefix(prefix): text for name, text in self._client.key_value_dir_get(prefix)
        }


class Watch:
    """A heartbeat thread: it interrupts its process when another process dies."""

    def __init__(self, count: int, index: int, board: Board, patience: float) -> None:
        """Starts the thread.

        Args:
            count: how many processes there are.
            index: which one this is.
            board: reaches the others.
            patience: the seconds after which a silent process counts as dead.
        """
        self._index, self._board, self._patience = index, board, patience
        began = time.monotonic()
        self._heard = {other: ("", began) for other in range(count) if other != index}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stops watching the other processes."""
        self._ended.set()
        self._thread.join()

    def leave(self, why: str) -> None:
        """Sends the other processes the reason why this one stops. Process 0 stops last.

        Args:
            why: the reason.
        """
        self.end()
        self._say(_STOPPED + why)
        until = time.monotonic() + self._patience
        while self._index == 0 and self._others() and time.monotonic() < until:
            time.sleep(_BEAT / 4)

    def _say(self, text: str) -> None:
        self._board.put(f"alive/{self._index}", text)

    def _others(self) -> list[int]:
        """The other processes that are alive."""
        now, found = time.monotonic(), self._board.under("alive")
        for other, (text, _) in self._heard.items():
            if found.get(str(other), "") != text:
                self._heard[other] = found[str(other)], now
        return [
            other
            for other, (text, last) in self._heard.items()
            if not text.startswith(_STOPPED) and now - last <= self._patience
        ]

    def _run(self) -> None:
        for beat in itertools.count():
            self._say(str(beat))
            for other in self._heard.keys() - self._others():
                text, last = self._heard[other]
                silent = f"was last heard of {time.monotonic() - last:.0f} s ago"
                return self._stop(
                    f"process {other} {text if text.startswith(_STOPPED) else silent}"
                )
            if self._ended.wait(min(_BEAT, self._patience / 4)):
                return None

    def _stop(self, why: str) -> None:
        print(f"{why}; the same command goes on from here", file=sys.stderr, flush=True)
        _thread.interrupt_main()
        if not self._ended.wait(self._patience):
            # An interruption is heard between two Python instructions, and compiling is one.
            self._say(f"{_STOPPED}it did not hear that {why}")
            print(f"ended after {self._patience:g} s more at work", file=sys.stderr, flush=True)
            os._exit(1)
