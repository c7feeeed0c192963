"""Norms of gradients of any size: of 1e-38 as of 1e38, whose squares float32 does not hold."""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp

from pptp_jax.regions.precision import at_least_float32


class ScaledNorm(NamedTuple):
    """A Euclidean norm, `scaled / scale`: it may itself be larger than any number of its precision.

    The scale is a power of two, so multiplying by it rounds nothing: where the squares fit into the
    precision, a result is bit for bit that without it.

    Attributes:
        scaled: the norm of the gradient times `scale`; 0 for a gradient of zeros, infinite or NaN
            for one that holds either.
        scale: the power of two that brings the largest entry to between 1 and 2, or as near as a
            normal number can.
    """

    scaled: jax.Array
    scale: jax.Array

    @property
    def value(self) -> jax.Array:
        """The norm; infinite where it is larger than any number of its precision."""
        return self.scaled / self.scale

    def clipping(self, max_norm: float | jax.Array) -> "Clipping":
        """The factors that clip a gradient to a norm of `max_norm`; a limit of 0 gives zeros."""
        limit = jnp.asarray(max_norm, self.scaled.dtype)
        # Nothing is divided by the scale: that could overflow. NaN is within no limit and stays.
        within = self.scaled <= limit * self.scale
        one = jnp.ones_like(self.scale)
        return Clipping(
            jnp.where(within, one, self.scale), jnp.where(within, one, limit / self.scaled)
        )


class Clipping(NamedTuple):
    """Two factors whose product may be too small or too large for one number: apply both in turn.

    Attributes:
        scale: a power of two, to multiply by first.
        factor: what to multiply by then.
    """

    scale: jax.Array
    factor: jax.Array

    def __call__(self, leaf: jax.Array) -> jax.Array:
        """A leaf of the gradient, clipped; it is rounded once, to its own precision."""
        wide = at_least_float32(leaf.dtype)
        clipped = leaf.astype(wide) * self.scale.astype(wide) * self.factor.astype(wide)
        return clipped.astype(leaf.dtype)


def scaled_norm(leaves: Sequence[jax.Array], axes: int = 0) -> ScaledNorm:
    """The Euclidean norm over all leaves together, in float32 at least.

    Args:
        leaves: real or complex arrays; without any, the norm is 0.
        axes: how many leading axes are not summed over: 1 gives one norm an example.

    Examples:
        >>> print(scaled_norm([jnp.array([3e20, 4e20])]).value)
        5e+20
    """
    leaves = leaves or [jnp.zeros(())]
    dtype = at_least_float32(*(jnp.abs(leaf).dtype for leaf in leaves))
    summed = [tuple(range(axes, leaf.ndim)) for leaf in leaves]
    largest = [
        jnp.abs(leaf).astype(dtype).max(axis, initial=0)
        for leaf, axis in zip(leaves, summed, strict=True)
    ]
    scale = _inverse_power_of_two(reduce(jnp.maximum, largest))
    # Of the leaf, not of its absolute value: XLA would store what both sums share.
    squares = [
        jnp.square(_real(leaf).astype(dtype) * along_leading_axes(scale, leaf)).sum(axis)
        for leaf, axis in zip(leaves, summed, strict=True)
    ]
    return ScaledNorm(jnp.sqrt(reduce(jnp.add, squares)), scale)


def _real(leaf: jax.Array) -> jax.Array:
    return jnp.abs(leaf) if jnp.iscomplexobj(leaf) else leaf


def along_leading_axes(values: jax.Array, leaf: jax.Array) -> jax.Array:
    """Values of the leading axes, shaped to be multiplied with a leaf."""
    return values.reshape(values.shape + (1,) * (leaf.ndim - values.ndim))


def _inverse_power_of_two(largest: jax.Array) -> jax.Array:
    """1/p for the largest power of two p up to a number, by the bits of its exponent alone."""
    dtype = largest.dtype
    whole = jnp.uint32 if dtype.itemsize == 4 else jnp.uint64

    def bits(number: jax.Array) -> jax.Array:
        return jax.lax.bitcast_convert_type(number, whole)

    def number(bits: jax.Array) -> jax.Array:
        return jax.lax.bitcast_convert_type(bits, dtype)

    exponent = number(bits(largest) & bits(jnp.array(jnp.inf, dtype)))
    least = jnp.finfo(dtype).tiny  # from it to its inverse, a power's inverse is a normal number
    power = jnp.clip(exponent, least, 1 / least)
    return number(2 * bits(jnp.array(1, dtype)) - bits(power))
