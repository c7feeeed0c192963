"""What all tests share: strict arithmetic, eight simulated devices, no deadlines."""

import os

# Tests compile much and compute little: the compiler's last passes cost more than they save. Read
# when jax first touches a device, so it is set before anything imports jax.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"

import jax
import numpy as np
import pytest
from hypothesis import settings

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# The first example of a test pays for its compilation.
settings.register_profile("pptp", deadline=None, max_examples=30, derandomize=True)
settings.load_profile("pptp")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
