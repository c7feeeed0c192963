"""Engines that execute independent tasks: the protocol, and the engines by name.

Any executor of `concurrent.futures` is one, and so is what looks like it: Dask's, loky's,
submitit's.
"""

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pptp_jax.validation import Refused

NAMES = (
    "dask:HOST:PORT (a scheduler that is running), dask:N or dask:local (a cluster of N workers on "
    "this machine; local: one for each core), processes:N (N processes on this machine)"
)
_ADDRESS = re.compile(r"(?:[a-z]+://)?(?:\[[0-9a-fA-F:]+\]|[^\s/:]+):([0-9]{1,5})")
_IDLE = 60  # seconds after which a process without work ends
_ANSWER = 10  # seconds


class Submitted(Protocol):
    """A submitted task, as `concurrent.futures.Future`."""

    def done(self) -> bool:
        """Whether it has ended, with a result or an error."""

    def result(self) -> Any:
        """Its result; raises its error."""

    def cancel(self) -> Any:
        """Cancels it, if it has not begun."""


@runtime_checkable
class Executor(Protocol):
    """Executes functions elsewhere: an executor of `concurrent.futures`, or one like it."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Submitted:
        """Submits a call of a function with these arguments."""


class Engine(NamedTuple):
    """An executor, and how many workers it has.

    Attributes:
        executor: executes functions.
        workers: how many at once.
    """

    executor: Executor
    workers: int


class EngineName(NamedTuple):
    """The name of an engine, taken apart.

    Attributes:
        kind: `dask` or `processes`.
        address: that of Dask's scheduler; None starts workers on this machine.
        workers: how many are started.
    """

    kind: str
    address: str | None
    workers: int


def parsed(name: str) -> EngineName:
    """Takes the name of an engine apart, and starts nothing.

    Args:
        name: `dask:HOST:PORT`, `dask:tcp://HOST:PORT`, `dask:N`, `dask:local` or `processes:N`.

    Raises:
        ValueError: if it is the name of none.

    Examples:
        >>> parsed("dask:tcp://head:8786").address, parsed("processes:4").workers
        ('tcp://head:8786', 4)
        >>> parsed("slurm:4")
        Traceback (most recent call last):
        pptp_jax.validation.Refused: an executor is dask:HOST:PORT (...); got 'slurm:4'
    """
    kind, _, rest = name.partition(":")
    if kind in ("dask", "processes") and rest.isdecimal() and int(rest) > 0:
        return EngineName(kind, None, int(rest))
    if name == "dask:local":
        return EngineName(kind, None, _cores())
    address = _ADDRESS.fullmatch(rest)
    if kind == "dask" and address is not None and 0 < int(address[1]) < 2**16:
        return EngineName(kind, rest, 0)
    raise Refused(f"an executor is {NAMES}; got {name!r}")


@contextmanager
def engine(name: str) -> Iterator[Engine]:
    """Starts an engine, or reaches one that is running; ends what it has started.

    Args:
        name: as for `parsed`.

    Yields:
        The engine, whose parts `Runtime(executor=, workers=)` takes.

    Raises:
        ValueError: if it is the name of none, no scheduler answers there, or it has no workers.
        ImportError: if Dask or loky is not installed.

    Examples:
        >>> with engine("processes:2") as own:
        ...     own.workers, own.executor.submit(divmod, 7, 2).result()
        (2, (3, 1))
    """
    chosen = parsed(name)
    with ExitStack() as stack:
        open_engine = _dask if chosen.kind == "dask" else _processes
        yield stack.enter_context(open_engine(chosen))


def begin_worker() -> None:
    """Prepares a process that serves the one that has started it, and ends when that one is gone.

    Ctrl-C reaches all processes of a terminal; it is left to the one that waits for them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _dask(name: EngineName) -> Iterator[Engine]:
    try:
        import dask
        from distributed import Client, LocalCluster, WorkerPlugin
    except ImportError as error:
        raise _missing("Dask") from error

    class _Begin(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            begin_worker()

    with ExitStack() as stack:
        if name.address is None:
            # A group whose worker was lost is sent again by the one that waits, who counts.
            stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))
            # Its news are those of every start; what a worker has to say comes in our sentences.
            stack.enter_context(_quiet("distributed"))
            place: Any = stack.enter_context(
                LocalCluster(
                    n_workers=name.workers,
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=0,  # groups are as large as the memory allows; see `fitting_chunk`
                    dashboard_address="127.0.0.1:0",  # any free port: no second run is in the way
                    silence_logs=logging.ERROR,
                )
            )
        else:
            place = name.address
        try:
            client = stack.enter_context(Client(place, timeout=_ANSWER, set_as_default=False))
        except (OSError, ValueError) as error:
            raise Refused(
                f"no Dask scheduler answers at {name.address} within {_ANSWER} s ({error}); start "
                f"one by `dask scheduler`, and workers by `dask worker ADDRESS --nthreads 1`"
            ) from error
        if name.address is None:
            client.register_plugin(_Begin())
        workers = len(client.nthreads())
        if workers == 0:
            raise Refused(
                f"the Dask scheduler at {name.address} has no workers; start them by "
                f"`dask worker {name.address} --nthreads 1`"
            )
        yield Engine(client.get_executor(pure=False), workers)


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Lets a logger report errors alone."""
    own = logging.getLogger(logger)
    before = own.level
    own.setLevel(logging.ERROR)
    try:
        yield
    finally:
        own.setLevel(before)


class _Processes:
    """loky's processes, started again after one of them was killed, which ends all of them."""

    def __init__(self, workers: int) -> None:
        self._workers, self._pool = workers, self._started(workers)

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Submitted:
        try:
            task: Submitted = self._pool.submit(function, *args)
        except BrokenExecutor:
            self._pool.shutdown(wait=True, kill_workers=True)
            self._pool = self._started(self._workers)
            task = self._pool.submit(function, *args)
        return task

    def end(self) -> None:
        self._pool.shutdown(wait=True, kill_workers=True)

    @staticmethod
    def _started(workers: int) -> Any:
        from loky import ProcessPoolExecutor

        return ProcessPoolExecutor(workers, timeout=_IDLE, initializer=begin_worker)


@contextmanager
def _processes(name: EngineName) -> Iterator[Engine]:
    try:
        import loky  # noqa: F401
    except ImportError as error:
        raise _missing("loky") from error
    pool = _Processes(name.workers)
    try:
        yield Engine(pool, name.workers)
    finally:
        pool.end()


def _missing(package: str) -> ImportError:
    return ImportError(f'{package} is not installed: python -m pip install "pptp-jax[dask]"')


def _cores() -> int:
    """The cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1
