"""Max-pooling whose gradient is fast on CPUs."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_jvp
def _larger(x: jax.Array, y: jax.Array) -> jax.Array:
    """The larger of two, whose derivative depends on these two alone.

    That of `jnp.maximum` compares both with the result. A compiler that computes them again
    for the backward pass may round otherwise: then neither does, and the gradient is lost.
    """
    return jnp.maximum(x, y)


@_larger.defjvp
def _(
    values: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    x, y = values
    dx, dy = tangents
    first = jnp.where(x == y, 0.5, jnp.where(x > y, 1.0, 0.0)).astype(dx.dtype)
    return _larger(x, y), first * dx + (1 - first) * dy


@jax.custom_vjp
def max_pool2x2(
    x: Float[Array, "batch height width channels"],
) -> Float[Array, "batch _ _ channels"]:
    """The maximum of each 2×2 square; an odd last row or column is dropped.

    Of several that are equal the first has the gradient; on a CPU they share it.

    Examples:
        >>> max_pool2x2(jnp.arange(15.0).reshape(1, 3, 5, 1))[0, :, :, 0].tolist()
        [[6.0, 8.0]]
    """
    return jax.lax.platform_dependent(x, cpu=_by_pairs, default=_native)


def _native(x: Array) -> Array:
    return nn.max_pool(x, (2, 2), (2, 2))


def _by_pairs(x: Array) -> Array:
    """Maxima of two: the gradient of XLA's own window maximum is slow on CPUs."""
    height, width = (2 * (n // 2) for n in x.shape[1:3])
    rows = _larger(x[:, 0:height:2, :width], x[:, 1:height:2, :width])
    return _larger(rows[:, :, 0::2], rows[:, :, 1::2])


def _forward(x: Array) -> tuple[Array, Array]:
    return max_pool2x2(x), x


def _backward(x: Array, slope: Array) -> tuple[Array]:
    def of(pool: Callable[[Array], Array]) -> Callable[[Array, Array], Array]:
        return lambda x, slope: jax.vjp(pool, x)[1](slope)[0]

    return (jax.lax.platform_dependent(x, slope, cpu=of(_by_pairs), default=of(_native)),)


max_pool2x2.defvjp(_forward, _backward)
