"""A run that is stopped from outside."""

from pathlib import Path

from invoking import STUDY, pptp_process

from pptp_jax.training import Checkpoint


def test_sigterm_saves_and_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "preempted.py"
    path.write_text(
        STUDY.replace("undefended(1)", "undefended(3)")
        + """
import signal
from pptp_jax.interruption import Interruption
real = Interruption.asked
def preempted(self):
    if not real(self):
        signal.raise_signal(signal.SIGTERM)
        return False  # it comes in the middle of the next epoch
    return True
Interruption.asked = preempted
"""
    )
    out = pptp_process("run", path, "--strategy", "scan", cwd=tmp_path)
    assert out.stderr == "interrupted; the same command goes on from here\n"
    assert out.returncode == 143
    [kept] = tmp_path.rglob("checkpoint-0")
    assert Checkpoint(kept).latest() == 2


def test_ctrl_c_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        STUDY.replace("undefended(1)", "undefended(3)")
        + """
import pptp_jax.study.fleets as fleets
real = fleets.collect
def interrupted(*args, **kwargs):
    raise KeyboardInterrupt
fleets.collect = interrupted
"""
    )
    out = pptp_process("run", slow, "--strategy", "scan", cwd=tmp_path)
    assert out.returncode == 130
    assert out.stderr == "interrupted; the same command goes on from here\n"
