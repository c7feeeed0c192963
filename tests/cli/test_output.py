"""What a terminal cannot show, a pipe that nobody reads and a full disk end in no traceback."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from invoking import pptp_command

from pptp_jax.cli import main
from pptp_jax.cli.output import log

FULL = Path("/dev/full")  # Linux has it; macOS does not


# What takes the command's output away: the shell's words for it, the exit code, and what is said.
LOSSES = {
    "a full disk": (">/dev/full", 1, "Error: the output could not be written: No space left on"),
    "a closed output": (">&-", 0, ""),
    "a reader that has gone": ("| true", 1, ""),
    "no output for errors": (">/dev/null 2>&-", 0, ""),
    "errors to a full disk": (">/dev/null 2>/dev/full", 0, ""),
}


def lost(where: str, *args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    shell = ["bash", "-c", f'set -o pipefail; "$0" "$@" {where}', *pptp_command(*args)]
    env = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.run(shell, capture_output=True, text=True, cwd=cwd, env=env)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(("where", "code", "said"), LOSSES.values(), ids=LOSSES)
def test_output_that_goes_nowhere(tmp_path: Path, where: str, code: int, said: str) -> None:
    out = lost(where, "--help", cwd=tmp_path)
    assert out.returncode == code
    assert out.stderr.startswith(said) and out.stderr.count("\n") == bool(said)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_what_was_computed_is_on_disk_before_it_is_printed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    membership = rng.permuted(np.tile(np.arange(6) < 3, (40, 1)), axis=1).T
    path = tmp_path / "s.npz"
    np.savez(path, losses=rng.exponential(size=(6, 40)), membership=membership)
    few = ("--attack", "loss", "--resamples", 5)
    where, code, said = LOSSES["a full disk"]
    out = lost(where, "audit", "--signals", path, "--membership", path, *few, cwd=tmp_path)
    assert out.returncode == code and out.stderr.startswith(said)
    results = json.loads((tmp_path / "runs" / "s" / "results.json").read_text())
    assert "loss" in results["rows"][0]["attacks"]
    assert (tmp_path / "runs" / "s" / "report.html").exists()


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_work_goes_on_where_no_message_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w") as full:
        monkeypatch.setattr("sys.stderr", full)
        log("training by vmap")
        full.buffer.raw.close()


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "budget ε by"), ("latin-1", "budget epsilon by")]
)
def test_signs_that_an_encoding_lacks_are_replaced(
    tmp_path: Path, encoding: str, shown: str
) -> None:
    """Click takes ASCII for a mistake in the settings, and writes UTF-8."""
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    command = pptp_command("canaries", "--help")
    out = subprocess.run(command, capture_output=True, cwd=tmp_path, env=env)
    assert out.returncode == 0 and out.stderr == b""
    assert shown in out.stdout.decode()


def test_every_sign_that_is_printed_has_one_in_its_place() -> None:
    text = "ε ≥ 1 − 2 ± 0.5 at δ … φ ━━ ∑"
    assert text.encode("ascii", "pptp_instead") == (
        b"epsilon >= 1 - 2 +- 0.5 at delta ... phi -- ?"
    )


def test_tables_and_json_are_ascii_where_only_that_is_shown() -> None:
    for args in (["list"], ["list", "--json"]):
        result = CliRunner(charset="ascii").invoke(main, args)
        assert result.exit_code == 0, result.output
        assert "lira_online" in result.stdout
