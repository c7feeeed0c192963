"""The precision of float32 products: fixed by us, not by JAX's default for the device.

By JAX's default a TPU rounds the factors of every product and convolution of float32 to bfloat16,
and an NVIDIA GPU since Ampere to TensorFloat-32. A CPU rounds nothing, whatever a program says: so
for a CPU programs say nothing, and are the same for `float32` and `tensorfloat32`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Literal, TypeVar

import jax

Precision = Literal["float32", "tensorfloat32", "bfloat16"]
Function = TypeVar("Function", bound=Callable[..., Any])

_COMPILED_FOR: ContextVar[str | None] = ContextVar("compiled_for", default=None)


@contextmanager
def products_in(precision: Precision) -> Iterator[None]:
    """A context that traces products and convolutions of float32 in this precision.

    It goes with each product into its gradient. Only a derivative of one's own
    (`jax.custom_vjp`) has the precision of the place where the gradient is taken.

    Args:
        precision: `float32` rounds nothing; `tensorfloat32` rounds factors to 11 bits on GPUs that
            can, and takes three passes of bfloat16 on TPUs; `bfloat16` is the device's fastest.

    Examples:
        >>> import jax.numpy as jnp
        >>> def program(precision):
        ...     with products_in(precision):
        ...         return jax.jit(lambda x: x @ x).lower(jnp.ones((2, 2))).as_text()
        >>> with compiled_for("gpu"):
        ...     ["HIGHEST" in program(name) for name in ("float32", "tensorfloat32")]
        [True, False]
    """
    on_cpu = platform() == "cpu"
    # None in spite of what JAX_DEFAULT_MATMUL_PRECISION may say.
    with jax.default_matmul_precision(None if on_cpu else precision):
        yield


def full_float32(function: Function) -> Function:
    """A function whose products and convolutions round no float32, whatever device computes them.

    Signals are computed so: logits of a few bits would have ties, and let an attack look weaker
    than it is. To be applied below `jax.jit`, whose programs keep what they were traced with.

    Examples:
        >>> import jax.numpy as jnp
        >>> twice = full_float32(lambda x: x @ (2 * jnp.eye(2)))
        >>> print(twice(jnp.ones(2)))
        [2. 2.]
    """

    @wraps(function)
    def exact(*args: Any, **kwargs: Any) -> Any:
        with products_in("float32"):
            return function(*args, **kwargs)

    return exact  # type: ignore[return-value]


@contextmanager
def compiled_for(name: str) -> Iterator[None]:
    """A context that traces programs for another platform than that of this process.

    Args:
        name: such as `tpu` or `gpu`.

    Examples:
        >>> with compiled_for("tpu"):
        ...     print(platform())
        tpu
    """
    set_before = _COMPILED_FOR.set(name)
    try:
        # JAX remembers traced functions by this setting: those of this platform are not taken.
        with jax.default_matmul_precision("float32"):
            yield
    finally:
        _COMPILED_FOR.reset(set_before)


def platform() -> str:
    """The platform that programs are traced for: `cpu`, `gpu`, `tpu`."""
    return _COMPILED_FOR.get() or jax.default_backend()
