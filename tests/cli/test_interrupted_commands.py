"""A run that is stopped from outside."""

from pathlib import Path

import pytest
from invoking import AUDIT, STUDY, pptp, pptp_process

from pptp_jax.storage.lock import held
from pptp_jax.training import Checkpoint

AUTO = STUDY.replace('freeze("stem"', 'freeze("auto"').replace("examples=300", "tuning=0.4")

PREEMPTED = """
import signal
from pptp_jax.cli.interrupt import Interruption
real = Interruption.requested
def preempted(self):
    if not real(self):
        signal.raise_signal(signal.SIGTERM)
        return False  # it comes in the middle of the next epoch
    return True
Interruption.requested = preempted
"""


def test_sigterm_saves_and_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "preempted.py"
    path.write_text(STUDY.replace("undefended(1)", "undefended(3)") + PREEMPTED)
    out = pptp_process("run", path, "--strategy", "scan", cwd=tmp_path)
    assert out.stderr.endswith("\ninterrupted; the same command goes on from here\n")
    assert out.returncode == 143
    [kept] = tmp_path.rglob("checkpoint-0")
    assert Checkpoint(kept).latest() == 2


def test_canaries_that_are_stopped_end_with_the_very_answers_of_others(tmp_path: Path) -> None:
    path, plain = tmp_path / "preempted.py", AUDIT.replace("undefended(1)", "undefended(3)")
    path.write_text(plain + PREEMPTED)
    stopped, alone = tmp_path / "stopped", tmp_path / "alone"
    out = pptp_process("canaries", path, "--out", stopped, cwd=tmp_path)
    assert out.stderr == "interrupted; the same command goes on from here\n"
    assert out.returncode == 143
    [kept] = stopped.rglob("checkpoint-0")
    assert Checkpoint(kept).latest() == 2 and not (stopped / "audit.json").exists()
    path.write_text(plain)
    for place in (stopped, alone):
        assert pptp("canaries", path, "--out", place).exit_code == 0
    where = "fleets/*/after-3/confidence.npy"
    [first], [second] = (place.glob(where) for place in (stopped, alone))
    assert first.read_bytes() == second.read_bytes() and not kept.exists()


@pytest.mark.parametrize(
    ("command", "study", "told"),
    [
        ("locate", STUDY, "interrupted\n"),
        ("run", AUTO, "interrupted; the same command goes on from here\n"),
    ],
)
def test_sigterm_ends_the_locating_of_a_study(
    tmp_path: Path, command: str, study: str, told: str
) -> None:
    path = tmp_path / "preempted.py"
    path.write_text(
        study
        + """
import signal
import pptp_jax.study.locate as locating
locating.RiskMapSpec = lambda **_: signal.raise_signal(signal.SIGTERM)
"""
    )
    out = pptp_process(command, path, cwd=tmp_path)
    assert (out.stderr, out.returncode) == (told, 143)


@pytest.mark.parametrize(
    ("command", "file"), [("canaries", AUDIT), ("locate", STUDY), ("run", STUDY), ("run", AUTO)]
)
def test_a_directory_in_use_is_refused(tmp_path: Path, command: str, file: str) -> None:
    path, out = tmp_path / "tiny.py", tmp_path / "out"
    path.write_text(file)
    with held(out):
        result = pptp(command, path, "--out", out)
    assert result.exit_code == 1 and "is in use by process" in result.output
    assert not list(out.glob("*.json"))


def test_ctrl_c_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        STUDY.replace("undefended(1)", "undefended(3)")
        + """
import pptp_jax.fleets.group as fleets
def interrupted(*args, **kwargs):
    raise KeyboardInterrupt
fleets.reduced = interrupted
"""
    )
    out = pptp_process("run", slow, "--strategy", "scan", cwd=tmp_path)
    assert out.returncode == 130
    assert out.stderr.endswith("\ninterrupted; the same command goes on from here\n")
