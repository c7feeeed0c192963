"""The share of a population that each example beats, by one sort and one binary search."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


@jax.jit
def beaten(
    ratio: Float[Array, "targets examples"],
    gamma: float | Float[Array, ""],
    population: Int[Array, " population"] | None = None,
) -> Float[Array, "targets examples"]:
    """The share of z with ratio_x / ratio_z ≥ γ, all in logarithms: no pair is ever formed.

    Args:
        ratio: the logarithms of the examples' ratios.
        gamma: how far an example must be ahead.
        population: the examples z; None takes all of them.

    Examples:
        >>> print(beaten(jnp.log(jnp.array([[1.0, 4.0, 16.0]])), 2.0))
        [[0.         0.33333334 0.6666667 ]]
    """

    def of_target(own: Float[Array, " examples"]) -> Float[Array, " examples"]:
        z = jnp.sort(own if population is None else own[population])
        return jnp.searchsorted(z, own - jnp.log(gamma), side="right") / len(z)

    return jax.lax.map(of_target, ratio)


@jax.jit
def offline_reference(
    outside: Float[Array, "targets queries examples"], a: Float[Array, "..."]
) -> Float[Array, "targets queries examples"]:
    """Log ½ ((1 + a) p_out + (1 − a)): the estimate of p(x) without IN shadows.

    Examples:
        >>> half = jnp.log(jnp.full((1, 1, 1), 0.5))
        >>> print(jnp.exp(offline_reference(half, jnp.full((1, 1, 1), 0.3))).round(3))
        [[[0.675]]]
    """
    return jnp.logaddexp(jnp.log1p(a) + outside, jnp.log1p(-a)) - jnp.log(2.0)
