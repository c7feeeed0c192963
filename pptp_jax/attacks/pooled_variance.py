"""The variance pooled over examples, without outliers."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pptp_jax.attacks.leave_one_out import Fit

# A variance this many times that of nine in ten examples comes from a fault, not from a network.
_GROSS = 100.0


def typical(fit: Fit) -> Bool[Array, "queries examples"]:
    """Which examples are pooled: those whose variance is not more than 100 times the 90 % quantile.

    A single φ of −10,000 in one model would otherwise make the pooled variance so large that the
    fits say nothing of any example. Gaussian values of one variance never reach the limit.

    Examples:
        >>> squares = jnp.array([[1.0, 2.0, 1.0, 1e6]])
        >>> models = jnp.full(4, 3)
        >>> print(typical(Fit(models, jnp.zeros((1, 4)), squares)))
        [[ True  True  True  True]]
        >>> squares = jnp.tile(squares, 5).at[:, 3:-1].set(1.0)
        >>> print(typical(Fit(jnp.full(20, 3), jnp.zeros((1, 20)), squares))[0, -2:])
        [ True False]
    """
    own = fit.squares / _freedom(fit)
    limit = _GROSS * jnp.quantile(own, 0.9, axis=-1, keepdims=True)
    # Where nine in ten do not vary at all nothing can be said of the others.
    return (own <= limit) | (limit == 0)


def pooled_variance(fit: Fit) -> Float[Array, "queries 1"]:
    """The variance within examples, pooled over the typical ones.

    Examples:
        >>> fit = Fit(jnp.array([3, 2]), jnp.zeros((1, 2)), jnp.array([[4.0, 5.0]]))
        >>> print(pooled_variance(fit))
        [[3.]]
    """
    where = typical(fit)
    freedom = jnp.broadcast_to(_freedom(fit), where.shape)
    squares, total = (
        part.sum(axis=-1, keepdims=True, where=where) for part in (fit.squares, freedom)
    )
    return squares / total


def _freedom(fit: Fit) -> Float[Array, "1 examples"]:
    return (fit.models - 1).astype(fit.squares.dtype)[None]
