"""The three precisions, and the peak of matrix products in each."""

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from rows import seconds

from pptp_jax.models import Precision

# The name of each, that of JAX and of the library, and the type of the operands. Devices without
# TF32 compute in float32 in its place.
PRECISIONS: dict[str, tuple[Precision, Any]] = {
    "TF32": ("tensorfloat32", jnp.float32),
    "bfloat16": ("bfloat16", jnp.bfloat16),
    "float32": ("float32", jnp.float32),
}


def computing_in(name: str) -> AbstractContextManager[object]:
    """Products within are lowered in this precision, where their operands have its type.

    Not those of the library's models: each of them has a precision of its own.
    """
    return jax.default_matmul_precision(PRECISIONS[name][0])


def peak(name: str, rehearse: bool) -> float:
    """The floating-point operations a second of a large matrix product, the best of ten.

    The operands are random: zeros or ones would draw less power, and be multiplied faster.
    """
    side = 64 if rehearse else 1024 if jax.default_backend() == "cpu" else 8192
    a = jax.random.normal(jax.random.key(0), (side, side), PRECISIONS[name][1])
    with computing_in(name):
        product = jax.jit(jnp.matmul).lower(a, a).compile()
    product(a, a).block_until_ready()
    return 2 * side**3 / min(seconds(partial(product, a, a)) for _ in range(10))
