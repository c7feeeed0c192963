"""A small study, and the command as a person types it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner, Result

from pptp_jax.cli import main

STUDY = """
from pptp_jax.data import Balanced, Digits
from pptp_jax.models import mlp
from pptp_jax.study import Study
from pptp_jax.training import freeze, undefended

study = Study(
    name="tiny", data=Digits(), model=mlp([8], num_classes=10), split=Balanced(models=6),
    examples=300, batch_size=50, resamples=20,
    recipes=(undefended(1), freeze("stem", after=1, more=1)),
)
"""


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


def named(directory: Path) -> set[str]:
    """The files of a directory as its README has to name them."""
    return {f"{path.name}{'/' * path.is_dir()}" for path in directory.iterdir()} - {"README.md"}


def pptp(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def pptp_command(*args: object) -> list[str]:
    """What starts a process that does the same."""
    path = Path(__file__).parents[2]
    code = f"import sys; sys.path.insert(0, {str(path)!r}); from pptp_jax.cli import main; "
    return [sys.executable, "-c", code + "main(prog_name='pptp')", *map(str, args)]


def pptp_process(
    *args: object, cwd: Path, env: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, for what reaches beyond a function call."""
    command = pptp_command(*args)
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env)
