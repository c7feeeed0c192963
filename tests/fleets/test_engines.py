"""Engines by their names, and real ones: Dask and loky with two workers, one of which is killed."""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import psutil
import pytest
from small_fleets import contents, runtime, spec_of

from pptp_jax.distributed import engines
from pptp_jax.distributed.engines import EngineName, engine, parsed
from pptp_jax.fleets import run_fleet
from pptp_jax.training import undefended
from pptp_jax.validation import Refused


def test_names_of_engines() -> None:
    assert parsed("dask:3") == EngineName("dask", None, 3)
    assert parsed("processes:3") == EngineName("processes", None, 3)
    assert parsed("dask:head:8786") == EngineName("dask", "head:8786", 0)
    assert parsed("dask:tls://10.0.0.1:8786").address == "tls://10.0.0.1:8786"
    assert parsed("dask:[::1]:8786").address == "[::1]:8786"
    assert parsed("dask:local").workers == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    "name",
    [
        *("", "4", "slurm:2", "loky:2", "Dask:2", "dask", "dask:", "dask:0", "dask:-1"),
        *("dask:head", "dask:head:0", "dask:head:port", "dask:head:99999", "dask:a b:1"),
        *("dask:tcp://:8786", "processes", "processes:local", "processes:head:1"),
    ],
)
def test_what_is_the_name_of_no_engine_is_refused(name: str) -> None:
    right = "an executor is dask:HOST:PORT .*, dask:N or dask:local .*, processes:N "
    with pytest.raises(Refused, match=right + rf".*; got '{name}'$"):
        parsed(name)


@pytest.mark.parametrize("name, package", [("dask:2", "distributed"), ("processes:2", "loky")])
def test_an_engine_that_is_not_installed_names_the_extra(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r'install "pptp-jax\[dask\]"$'), engine(name):
        pass


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_ANSWER", 0.5)
    with pytest.raises(Refused, match=r"no Dask scheduler answers at 127\.0\.0\.1:1 within 0\.5 s"):
        with engine("dask:127.0.0.1:1"):
            pass


def test_a_scheduler_without_workers_is_refused() -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0"
    ) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(Refused, match=f"has no workers; start them by `dask worker {address}"):
            with engine(f"dask:{address}"):
                pass


# Long enough to be killed in the middle: some seconds.
LONG = spec_of(undefended(200))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("alone")
    run_fleet(LONG, out, runtime())
    return contents(out)


@contextmanager
def one_killed(home: Path) -> Iterator[list[int]]:
    """Kills the worker at group 1 when it has kept the signals of the first epoch."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        lock, stop = home / "locks" / "1" / ".lock", home / "shards" / "1" / "after-1"
        while not over.wait(0.01):
            if (stop / "manifest.json").exists():
                killed.append(int(lock.read_text().split()[1]))
                return os.kill(killed[0], signal.SIGKILL)
        return None

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def started() -> set[int]:
    """The living processes below this one, but for those that only end with it."""
    return {
        child.pid
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in str(child.cmdline())
    }


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """Where this process would keep its compiled programs, had it not compiled them already."""
    names = "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"
    before = [getattr(jax.config, name) for name in names]
    for name, value in zip(names, (str(tmp_path / "cache"), 0.0), strict=True):
        jax.config.update(name, value)
    yield tmp_path / "cache"
    for name, value in zip(names, before, strict=True):
        jax.config.update(name, value)


# Two processes that import JAX and compile, and a third in place of the one that was killed.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["dask:2", "processes:2"])
def test_a_killed_worker_changes_no_number(
    name: str, alone: dict[str, str], tmp_path: Path, cache: Path
) -> None:
    before, said, home = started(), [], tmp_path / "home"
    with engine(name) as own, one_killed(home) as killed:
        assert own.workers == 2
        run_fleet(LONG, home, runtime(own.executor, log=said.append))
    assert len(killed) == 1 and killed[0] != os.getpid()
    again = [one for one in said if re.search(r"models 2 to 3: a worker was lost .* 2 of 3$", one)]
    assert len(again) == 1, said
    assert contents(home) == alone
    assert [*cache.glob("*epoch*")]  # the workers' programs
    until = time.monotonic() + 10
    while started() - before and time.monotonic() < until:
        time.sleep(0.1)
    assert started() <= before
