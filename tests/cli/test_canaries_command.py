"""`pptp canaries`."""

import json
from pathlib import Path

from invoking import pptp

AUDIT = """
from pptp_jax.audit import CanaryAudit
from pptp_jax.data import Digits
from pptp_jax.models import mlp
from pptp_jax.training import undefended

audit = CanaryAudit(
    name="tiny", data=Digits(), model=mlp([8], num_classes=10), recipes=(undefended(1),),
    canaries=40, held_out=40, examples=160, runs=8,
)
"""


def test_canaries_print_their_table_and_leave_their_files(tmp_path: Path) -> None:
    path, out = tmp_path / "tiny.py", tmp_path / "out"
    path.write_text(AUDIT)
    result = pptp("canaries", path, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("tiny: digits, 40 canaries with wrong labels among 120 places")
    assert (out / "audit.txt").read_text().strip() in result.stdout
    assert json.loads((out / "audit.json").read_text())["runs"] == 8
    assert (out / "scores" / "undefended_1.npz").is_file()
