"""A study has the numbers of 32 bits, also where JAX_ENABLE_X64 is set."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path

import jax
from small_study import STUDY

from pptp_jax.study import run

study, out = replace(STUDY, recipes=STUDY.recipes[:1]), Path(sys.argv[1])
assert jax.config.jax_enable_x64
run(study, out / "wide")
jax.config.update("jax_enable_x64", False)
run(study, out / "single")
"""


def test_the_numbers_do_not_depend_on_the_environment(tmp_path: Path) -> None:
    here = Path(__file__)
    env = os.environ | {
        "JAX_ENABLE_X64": "1",
        "PYTHONPATH": f"{here.parents[2]}{os.pathsep}{here.parent}",
    }
    subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], env=env, check=True)
    files = sorted(
        path.relative_to(tmp_path / "single") for path in tmp_path.glob("single/**/*.np?")
    )
    assert {"confidence.npy", "undefended_2.npz"} < {path.name for path in files}
    for path in files:
        assert (tmp_path / "wide" / path).read_bytes() == (tmp_path / "single" / path).read_bytes()
