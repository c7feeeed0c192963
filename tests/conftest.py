"""What all tests share: strict arithmetic, eight simulated devices, random tests that repeat."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import jax
import numpy as np
import pytest

# Tests compile much and compute little: the compiler's last passes cost more than they save, and
# jax 0.10's old way to compile what is fused takes half the time; 0.11 no longer has it. Read when
# jax first touches a device. `.ci/nightly` compiles as users do, by PPTP_TEST_XLA=optimised.
XLA = os.environ.get("PPTP_TEST_XLA", "fast")
if XLA not in ("fast", "optimised"):
    raise pytest.UsageError(f"PPTP_TEST_XLA must be 'fast' or 'optimised', got {XLA!r}")
if XLA == "fast":
    FLAGS = ["--xla_backend_optimization_level=0"]
    if jax.__version_info__ < (0, 11):
        FLAGS.append("--xla_cpu_use_fusion_emitters=false")
    os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *FLAGS])

# Every test prints as into a file, whatever terminal, or worker of pytest, it runs in.
os.environ.pop("COLUMNS", None)

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# A first call compiles, so no example has a deadline; the same examples in every run.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=25)
# `.ci/nightly` tries others: --hypothesis-profile=nightly --hypothesis-seed=N.
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=100, print_blob=True)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def compile_in_haste() -> Iterator[None]:
    """For tests of many small programs that run once or twice each."""
    jax.config.update("jax_disable_most_optimizations", XLA == "fast")
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="module", autouse=True)
def forget_programs() -> Iterator[None]:
    """Each compiled program maps memory, and a Linux process has 65,530 maps: then it crashes."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 20_000:
        jax.clear_caches()
