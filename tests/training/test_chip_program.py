"""Programs of fleets by the TPU's own compiler, where libtpu is installed; no TPU is needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WIDTH = 128


@pytest.mark.slow  # 20 s: libtpu is loaded, and five programs are compiled for a TPU
@pytest.mark.tpu
def test_what_the_compiler_of_a_tpu_says() -> None:
    env = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    env |= {"PYTHONPATH": str(HERE.parents[1]), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(HERE / "chip_programs.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["memory"] == 15.75 * 2**30  # of the 16 GiB of a v5e
    # A product of two squares: 2 n³ operations; two arguments and a result, which may pass through
    # the chip's fast memory and be counted there as well.
    operations, moved = found["product"]
    assert operations == 2 * WIDTH**3
    least = 3 * 4 * WIDTH**2
    assert least <= moved <= 3 * least
    # Models exchange nothing; a shared model sums up its gradients.
    assert found["fleets"] == {"vmap": 0, "scan": 0}
    assert found["shared"]["all-reduce"] > 0
    # The branch is that of the TPU, not that of the CPU on which it was compiled: forward and the
    # kernel's gradient. A network of matrix products has none.
    convolutional, plain = found["convolutions"]
    assert convolutional >= 2 and plain == 0


def test_what_is_compiled_for_chips_is_kept_out_of_the_cache(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
import jax
from pptp_jax.training.chip_program import compiled
cache = Path({str(tmp_path)!r})
jax.config.update("jax_compilation_cache_dir", str(cache))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
compiled(jax.jit(lambda x: x + 1).lower(1.0))
kept = len([*cache.iterdir()])
jax.jit(lambda x: x + 2).lower(1.0).compile()
print(kept, len([*cache.iterdir()]))
"""
    env = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    kept, others = map(int, done.stdout.split())
    assert kept == 0 and others > 0
