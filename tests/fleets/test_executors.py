"""Groups trained by executors: the numbers are those of one process, whatever fails."""

import errno
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from small_fleets import HOMES, KEYS, SPECS, contents, runtime

from pptp_jax.distributed.processes import Processes
from pptp_jax.fleets import Runtime, group, run_fleet, run_fleets, task
from pptp_jax.storage.lock import held
from pptp_jax.training import Progress, Recipe
from pptp_jax.validation import Refused

Order = dict[str, Any]


class Answers(Executor):
    """Answers an order at once: by the end of the group, an error of the engine, or never."""

    def __init__(self, answer: Callable[[Order], Mapping[str, Any] | Exception | None]) -> None:
        self.answer, self.orders, self.futures = answer, [], []

    def submit(self, function: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.orders.append(args[0])
        self.futures.append(future)
        answer = self.answer(dict(args[0]))
        if isinstance(answer, Exception):
            future.set_exception(answer)
        elif answer is not None:
            future.set_result(answer)
        return future


def refused(pool: Any, out: Path, kind: type[Exception] = Refused, **change: Any) -> str:
    with pytest.raises(kind) as caught:
        run_fleet(SPECS[0], out, runtime(pool, **change), key=KEYS[0])
    assert not [*out.glob("running-*")]  # so that no worker goes on
    return str(caught.value)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    run_fleets(SPECS, [out / home for home in HOMES], runtime(), keys=KEYS)
    return out


def test_threads_find_what_one_process_finds(alone: Path, tmp_path: Path) -> None:
    """Two fleets that share a phase: every file that one process leaves, and no other."""
    seen: list[tuple[str, Progress]] = []
    said: list[str] = []

    def note(recipe: Recipe, now: Progress) -> None:
        seen.append((recipe.slug, now))

    with ThreadPoolExecutor(2) as pool:
        own = runtime(pool, on_progress=note, log=said.append)
        run_fleets(SPECS, [tmp_path / home for home in HOMES], own, keys=KEYS)
    assert contents(tmp_path) == contents(alone)
    first = [now for slug, now in seen if slug == HOMES[0]]
    assert sum(now.training for now in first) == 5 and {now.epoch for now in first} == {2}
    assert [now.models for now in first] == np.cumsum(
        [0] + [n.training for n in first[:2]]
    ).tolist()
    loss = np.load(alone / HOMES[0] / "after-2" / "loss.npy")[:, -1]
    expected = sorted([loss[:2].mean(), loss[2:4].mean(), loss[4]])
    np.testing.assert_allclose(sorted(now.loss for now in first), expected, rtol=1e-6)
    assert len([one for one in said if "trained once" in one]) == 3


def test_a_worker_that_is_lost_is_replaced(alone: Path, tmp_path: Path) -> None:
    said: list[str] = []
    lost = [1, 1]

    def answer(order: Order) -> Any:
        if order["group"] in lost:
            lost.remove(order["group"])
            return RuntimeError("the node\nis gone")
        return task.train_group(order)

    pool = Answers(answer)
    run_fleet(SPECS[0], tmp_path / HOMES[0], runtime(pool, log=said.append), key=KEYS[0])
    assert sorted(order["group"] for order in pool.orders) == [0, 1, 1, 1, 2]
    assert [one for one in said if "lost" in one] == [
        f"{HOMES[0]}: models 2 to 3: a worker was lost (RuntimeError: the node is gone); sent "
        f"again, attempt {attempt} of 3"
        for attempt in (2, 3)
    ]
    known = contents(alone)
    assert contents(tmp_path) == {name: known[name] for name in known if name.startswith(HOMES[0])}


def test_a_group_that_loses_three_workers_ends_the_run(tmp_path: Path) -> None:
    pool = Answers(lambda order: RuntimeError("is gone") if order["group"] == 1 else None)
    said = refused(pool, tmp_path)
    assert said.startswith(
        f"{HOMES[0]}: models 2 to 3: the worker was lost 3 times, the last time by RuntimeError: is"
    )
    assert said.endswith("the same command goes on from here")
    assert [future.cancelled() for future in pool.futures] == [True, False, True, False, False]


def test_a_broken_executor_is_named(tmp_path: Path) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    assert "takes no more work (RuntimeError: cannot schedule new" in refused(pool, tmp_path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"versions": {"jax": "0.9"}}, f"has jax {jax.__version__} where the run has 0.9: install"),
        (
            {"digest": "0"},
            "tasks.pkl as it was written: the run directory must be on a file system",
        ),
    ],
)
def test_a_worker_that_does_not_fit_is_refused(tmp_path: Path, change: Order, message: str) -> None:
    assert message in refused(Answers(lambda order: task.train_group(order | change)), tmp_path)


def test_a_worker_that_sees_another_directory_is_refused(tmp_path: Path) -> None:
    """It does not see the fleet; or, here, what it says it has written is not there."""
    (tmp_path / "there").mkdir()
    elsewhere = {"home": str(tmp_path / "there")}
    pool = Answers(lambda order: task.train_group(order | elsewhere))
    assert "does not see" in refused(pool, tmp_path / "here")
    pool = Answers(lambda order: {"kind": "done", "said": [], "host": "node7"})
    assert "what the worker on node7 has written is not seen in" in refused(pool, tmp_path / "here")


def test_a_worker_of_other_code_is_refused(tmp_path: Path) -> None:
    """The fleet's name is a hash of the program: here that of another fleet."""
    with pytest.raises(Refused, match="would compute another program: its pptp_jax, the modules"):
        run_fleet(SPECS[0], tmp_path, runtime(Answers(task.train_group)), key=KEYS[1])


def test_an_error_in_a_worker_reads_as_it_does_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(order: Order) -> Any:
        raise error

    monkeypatch.setattr(task, "_fleet", fail)
    pool = Answers(task.train_group)
    error: Exception = OSError(errno.ENOSPC, "full", "x.npy")
    assert refused(pool, tmp_path, OSError) == f"[Errno {errno.ENOSPC}] full: 'x.npy'"
    error = OSError("odd")
    assert refused(pool, tmp_path, OSError) == "odd"
    error = KeyError("mine")
    said = refused(pool, tmp_path, RuntimeError)
    assert said.startswith(f"{HOMES[0]}: models 0 to 1, on ")
    assert said.endswith("KeyError: 'mine'\n")


def test_groups_are_halved_where_a_worker_lacks_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, widths, said = group.train_fleet, [], []

    def scarce(*args: Any, execution: Any, **options: Any) -> Any:
        widths.append(execution.width)
        if execution.width > 1 and 2 in execution.groups[0]:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9.")
        return real(*args, execution=execution, **options)

    monkeypatch.setattr(group, "train_fleet", scarce)
    found = run_fleet(
        SPECS[0], tmp_path, runtime(Answers(task.train_group), log=said.append), key=KEYS[0]
    )
    assert widths == [2, 2, 2, 1, 1] and len(found.end.utility) == 5
    assert said[1] == f"{HOMES[0]}: the memory does not suffice; going on with 1 at a time"


def test_a_stop_saves_what_is_at_work_and_cancels_the_rest(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    epochs: list[int] = []
    first = threading.Event()

    def in_epoch(recipe: Recipe, now: Progress) -> None:
        """After its first epoch the worker waits until the run has been stopped."""
        epochs.append(now.epoch)
        first.set()
        until = time.monotonic() + 20
        while [*(tmp_path / HOMES[0]).glob("running-*")] and time.monotonic() < until:
            time.sleep(0.01)

    monkeypatch.setattr(task, "Runtime", partial(Runtime, on_progress=in_epoch))
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        own = runtime(pool, stop=first.is_set, log=said.append)
        run_fleet(SPECS[0], tmp_path / HOMES[0], own, key=KEYS[0])
    assert said[-1] == (
        "stopping: groups at work save their state at the end of their epoch (1); those that are "
        "not begun are cancelled (2)"
    )
    assert epochs == [1]
    monkeypatch.setattr(
        task, "Runtime", partial(Runtime, on_progress=lambda recipe, now: epochs.append(now.epoch))
    )
    run_fleet(SPECS[0], tmp_path / HOMES[0], runtime(Answers(task.train_group)), key=KEYS[0])
    assert epochs == [1, 2, 1, 2, 1, 2]  # the first group goes on after its epoch
    known = contents(alone)
    assert contents(tmp_path) == {name: known[name] for name in known if name.startswith(HOMES[0])}


def test_no_two_workers_are_at_one_group(tmp_path: Path) -> None:
    """An engine may take a worker for lost that is only slow; the second one waits for it."""
    place, times = tmp_path / "locks" / "0", []

    def answer(order: Order) -> Any:
        if order["group"] == 0:
            with held(place):
                pool = ThreadPoolExecutor(1)
                second = pool.submit(task.train_group, order)
                time.sleep(1)
                times.append(second.done())
            pool.shutdown()
            return second.result()
        return task.train_group(order)

    found = run_fleet(SPECS[0], tmp_path, runtime(Answers(answer)), key=KEYS[0])
    assert times == [False] and found.end.finite.all()


def test_workers_of_a_run_that_was_killed_stop(tmp_path: Path) -> None:
    """They find the mark of their run gone when the next one has begun."""
    ends: list[str] = []

    def answer(order: Order) -> Any:
        ends.append(task.train_group(order | {"mark": "running-before"})["kind"])
        return task.train_group(order)

    tmp_path.joinpath("running-before").touch()
    run_fleet(SPECS[0], tmp_path, runtime(Answers(answer)), key=KEYS[0])
    assert ends == ["stopped"] * 3


def test_what_cannot_be_sent_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file:

        def apply(*args: Any, **kwargs: Any) -> Any:
            assert file is not None
            return SPECS[0].model.apply(*args, **kwargs)

        spec = replace(SPECS[0], model=replace(SPECS[0].model, apply=apply))
        with pytest.raises(Refused, match=r"this fleet cannot be sent to workers: .* open files"):
            run_fleet(spec, tmp_path / "home", runtime(Answers(lambda order: None)))


@pytest.mark.parametrize(
    "given, message",
    [
        ({"executor": 3}, "executor must have a method submit.*, got 3"),
        ({"executor": ThreadPoolExecutor, "processes": Processes(2)}, "must be one alone, got 2"),
        ({"workers": 0}, "workers must be an integer of at least 1"),
    ],
)
def test_a_runtime_that_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        Runtime(**given)
