"""The job for nights, as far as it needs no night: its arguments, and what it installs."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
JOB = ROOT / ".ci" / "nightly"


def called(*given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(JOB), *given], capture_output=True, text=True)


def test_it_lists_what_it_would_try() -> None:
    done = called("--list", "--only", "3.13", "0.12", "--only", "3.11", "0.10", "--", "-k", "none")
    assert done.returncode == 0
    named = [line.partition(": ")[0] for line in done.stdout.splitlines()]
    assert named == ["Python 3.13, jax 0.12", "Python 3.11, jax 0.10"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--only", "3.11"], "--only needs a Python and a jax"),
        (["--only", "3.11", "0.12"], "--only 3.11 0.12 is none of: 3.11 0.10, 3.12 0.10"),
        (["--seed", "x"], "--seed needs an integer"),
        (["-k", "none"], "-k is unknown; arguments of pytest stand behind --"),
    ],
)
def test_other_arguments_are_refused(given: list[str], said: str) -> None:
    done = called(*given)
    assert done.returncode == 2
    assert said in done.stderr and "usage: .ci/nightly [--only" in done.stderr


def test_it_installs_the_tests_and_the_compiler_that_ci_run_leaves_out() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [extras] = re.findall(r"-e '\.\[(.*?)\]'", JOB.read_text())
    assert extras.split(",") == ["test", "tpu"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
