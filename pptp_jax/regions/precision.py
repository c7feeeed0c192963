"""The precision in which sums and orders over many weights are taken."""

from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np


def at_least_float32(*dtypes: Any) -> np.dtype:
    """The widest of some dtypes, and no narrower than float32; integers count as float32.

    NumPy's promotion, which JAX's strict mode does not forbid: here it is meant.
    """
    inexact = [dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.inexact)]
    return reduce(np.promote_types, inexact, np.dtype(np.float32))
