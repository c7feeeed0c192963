"""Real processes that share a study, and what becomes of the others when one of them stops."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from board import Memory

from pptp_jax.data import Balanced, Digits
from pptp_jax.distributed import join as joining
from pptp_jax.fleets import Runtime
from pptp_jax.models import mlp
from pptp_jax.study import Study, run
from pptp_jax.training import Progress, undefended

pytestmark = pytest.mark.slow  # processes of their own, each of which loads JAX

STUDY = Study(
    name="tiny",
    data=Digits(),
    model=mlp([8], num_classes=10),
    split=Balanced(models=6),
    examples=300,
    batch_size=60,
    attacks=("loss",),
    compared="loss",
    resamples=10,
    trajectory=(1,),
    recipes=(undefended(2),),
)

# A process: its place among them, the port, the run directory, after how many groups it is killed,
# and its patience.
PROCESS = """
import os, signal, sys
from pathlib import Path

from pptp_jax.distributed.join import joined
from pptp_jax.fleets import Runtime, plan
from pptp_jax.study import run
from pptp_jax.training import Strategy
from test_join import STUDY

index, port, out, groups, patience, shared = sys.argv[1:]
plan.fitting_chunk = lambda *_: 1

def told(recipe, progress):
    if progress.models == int(groups):
        os.kill(os.getpid(), signal.SIGKILL)

over = {"data_devices": 4} if shared == "True" else {"devices": 2}
with joined(
    f"127.0.0.1:{port}", 2, int(index), patience=float(patience), together=shared == "True"
) as processes:
    results = run(
        STUDY,
        Path(out),
        strategy=lambda *_: Strategy(order="scan", **over),
        runtime=Runtime(on_progress=told, processes=processes),
    )
print(results["rows"][0]["attacks"]["loss"]["auc"]["value"])
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    run(STUDY, out)
    return out


def start(
    out: Path, dies: dict[int, int], patience: float = 60, shared: bool = False
) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2])),
        "JAX_NUM_CPU_DEVICES": "2",
    }
    return [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                PROCESS,
                *map(str, (i, port, out, dies.get(i, -1), patience, shared)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        for i in range(2)
    ]


def same(out: Path, alone: Path) -> None:
    names = sorted(path.relative_to(alone) for path in alone.glob("fleets/*/after-*/*.npy"))
    assert {name.name for name in names} >= {"confidence.npy", "utility.npy", "logits.npy"}
    for name in names:
        np.testing.assert_allclose(
            np.load(out / name), np.load(alone / name), rtol=1e-4, atol=1e-4, err_msg=str(name)
        )


def watched(board: Memory, monkeypatch: pytest.MonkeyPatch, patience: float) -> float:
    """How long it takes until process 0 of two is interrupted."""
    heard = threading.Event()
    monkeypatch.setattr(joining._thread, "interrupt_main", heard.set)
    began = time.monotonic()
    watch = joining.Watch(2, 0, board, patience)
    assert heard.wait(10)
    watch.leave("it was interrupted")
    return time.monotonic() - began


def test_the_others_receive_the_reason_why_a_process_stops(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    board = Memory()
    other = joining.Watch(2, 1, board, 60)
    other.leave("no space left")
    assert watched(board, monkeypatch, 60) < 10  # process 0 waits for nobody
    said = capsys.readouterr().err
    assert said == "process 1 stopped: no space left; the same command goes on from here\n"
    assert board.under("alive")["0"] == "stopped: it was interrupted"


def test_a_silent_process_counts_as_dead_and_a_living_one_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    board = Memory()
    assert 0.5 < watched(board, monkeypatch, 0.5) < 5
    assert "process 1 was last heard of 1 s ago; the same" in capsys.readouterr().err
    board = Memory()
    pair = [joining.Watch(2, index, board, 1.5) for index in (0, 1)]
    time.sleep(2)
    for watch in pair:
        watch.end()
    assert capsys.readouterr().err == ""


def test_a_process_that_does_not_hear_is_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    board, codes = Memory(), []
    monkeypatch.setattr(joining.os, "_exit", codes.append)
    monkeypatch.setattr(joining._thread, "interrupt_main", lambda: None)
    watch = joining.Watch(2, 1, board, 0.4)  # process 0 never says a word
    watch._thread.join(10)
    assert codes == [1]
    assert capsys.readouterr().err.endswith("goes on from here\nended after 0.4 s more at work\n")
    assert board.under("alive")["1"].startswith("stopped: it did not hear that process 0 was last")


def test_two_processes_find_what_one_finds(alone: Path, tmp_path: Path) -> None:
    started = start(tmp_path, {})
    said = [process.communicate(timeout=200) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    [first, second] = [text for text, _ in said]
    assert first == second and 0 < float(first) < 1
    same(tmp_path, alone)
    assert not list(tmp_path.rglob("shards")) and list(tmp_path.glob(".*")) == [tmp_path / ".lock"]


def test_two_processes_train_the_same_models_together_though_one_was_killed(
    alone: Path, tmp_path: Path
) -> None:
    started = start(tmp_path, {1: 1}, patience=8, shared=True)
    said = [process.communicate(timeout=200)[1] for process in started]
    assert [process.returncode for process in started] == [1, -signal.SIGKILL], said
    assert "a process was lost while all trained together; the same command goes on" in said[0]
    started = start(tmp_path, {}, shared=True)
    said = [process.communicate(timeout=200)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    same(tmp_path, alone)
    [plan] = tmp_path.glob("fleets/*/fleet.json")
    assert json.loads(plan.read_text())["strategy"]["data_devices"] == 4


def test_one_process_goes_on_from_two_of_which_one_was_killed(alone: Path, tmp_path: Path) -> None:
    started = start(tmp_path, {1: 1}, patience=8)
    said = [process.communicate(timeout=200)[1] for process in started]
    assert started[1].returncode == -signal.SIGKILL, said[1]
    assert started[0].returncode == 1
    assert "process 1 was last heard of 8 s ago; the same command goes on from here" in said[0]
    # It leaves by an exception, unless the interruption falls into a compilation that takes longer
    # than its patience, as on a busy machine: nothing interrupts that, so it ends at once.
    assert "KeyboardInterrupt" in said[0] or "ended after 8 s more at work" in said[0]
    told: list[Progress] = []
    run(
        STUDY, tmp_path, runtime=Runtime(on_progress=lambda recipe, progress: told.append(progress))
    )
    # Six groups of one model each, two epochs each: process 0 had trained three, process 1 one.
    assert len(told) == 4
    same(tmp_path, alone)
    assert not list(tmp_path.rglob("shards"))
