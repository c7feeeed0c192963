"""Leave-one-out covariances of the queries over shadows, from sums that are computed once.

A sum of products of distances from the mean follows from that over all models as one of squares
does (see `leave_out`):

    products'[q, r] = products[q, r] − d[q] d[r] n / (n − 1),    d = value − mean.

Digits are lost only where the model that is left out makes up nearly all of what one of the two
queries varies by, so it is the farthest in that query. For each query one more sum leaves that
model out from the beginning.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.leave_one_out import Fit, Fits, fits
from pptp_jax.attacks.leave_one_out import without as fit_without


class Spread(NamedTuple):
    """The distribution of the values of several queries over some models.

    Attributes:
        fit: their number, the mean and the squares of each query.
        products: the sums of products of two queries' distances from their means.
    """

    fit: Fit
    products: Float[Array, "queries queries examples"]


class Spreads(NamedTuple):
    """Sums of products, from which any one model can be left out.

    Attributes:
        fits: the fits of each query.
        full: the products over all chosen models.
        without_far: in row q the products without the model that is farthest in query q.
    """

    fits: Fits
    full: Float[Array, "queries queries examples"]
    without_far: Float[Array, "queries queries examples"]


def spreads(
    values: Float[Array, "models queries examples"], chosen: Bool[Array, "models examples"]
) -> Spreads:
    """Fits the chosen models of each example.

    Examples:
        >>> values = jnp.array([[1.0, 0.0], [2.0, 0.0], [6.0, 3.0]])[:, :, None]
        >>> found = spreads(values, jnp.ones((3, 1), bool))
        >>> print(found.full[..., 0])
        [[14.  9.]
         [ 9.  6.]]
    """
    found = fits(values, chosen)
    models = jnp.arange(len(values))[:, None]

    def distances(
        chosen: Bool[Array, "models examples"],
    ) -> Float[Array, "models queries examples"]:
        where = chosen[:, None]
        count = jnp.maximum(where.sum(axis=0), 1).astype(values.dtype)
        mean = values.sum(axis=0, where=where) / count
        return jnp.where(where, values - mean[None], 0.0)

    def row(query: Int[Array, ""]) -> Float[Array, "queries examples"]:
        off = distances(chosen & (models != found.far[query][None]))
        return (off * off[:, query, None]).sum(axis=0)

    off = distances(chosen)
    full = jax.lax.map(lambda q: (off * off[:, q, None]).sum(axis=0), jnp.arange(values.shape[1]))
    return Spreads(found, full, jax.lax.map(row, jnp.arange(values.shape[1])))


def without(
    found: Spreads,
    model: Int[Array, ""],
    value: Float[Array, "queries examples"],
    there: Bool[Array, " examples"],
) -> Spread:
    """The distribution with one model left out.

    Args:
        found: the distributions.
        model: which one.
        value: its values.
        there: for which examples it is among the chosen; elsewhere nothing is left out.

    Examples:
        >>> values = jnp.array([[1.0, 0.0], [2.0, 0.0], [6.0, 3.0]])[:, :, None]
        >>> found = spreads(values, jnp.ones((3, 1), bool))
        >>> left = without(found, jnp.array(0), values[0], jnp.array([True]))
        >>> print(left.products[..., 0])
        [[8.  6. ]
         [6.  4.5]]
    """
    full = found.fits.full
    n = full.models.astype(value.dtype)
    d = value - full.mean
    products = found.full - d[:, None] * d[None] * (n / jnp.maximum(n - 1, 1))[None, None]
    far = found.fits.far == model
    products = jnp.where(far[None], found.without_far.swapaxes(0, 1), products)
    products = jnp.where(far[:, None], found.without_far, products)
    return Spread(
        fit_without(found.fits, model, value, there),
        jnp.where(there[None, None], products, found.full),
    )
