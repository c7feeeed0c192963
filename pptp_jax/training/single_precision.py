"""Train and attack in single precision, whatever JAX's default."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import jax

from pptp_jax.models.products import products_in

Run = TypeVar("Run", bound=Callable[..., Any])


def in_single_precision(run: Run) -> Run:
    """Runs a function with JAX's 32-bit types, also where `JAX_ENABLE_X64` is set.

    Records, stores and fingerprints are those of 32 bits; so the numbers do not depend on an
    environment variable that another program may need. Products are those of full float32, but for
    networks that train in another precision.

    Examples:
        >>> import jax.numpy as jnp
        >>> in_single_precision(jnp.zeros)(2).dtype
        dtype('float32')
    """

    @wraps(run)
    def single(*args: Any, **kwargs: Any) -> Any:
        with jax.enable_x64(False), products_in("float32"):
            return run(*args, **kwargs)

    return single  # type: ignore[return-value]
