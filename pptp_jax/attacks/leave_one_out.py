"""Leave-one-out means and variances over shadows, from sums that are computed once.

Attacking every model in turn with all others as its shadows takes as many fits as there are models.
Each differs from the fit to all shadows by one model, so its mean and sum of squares follow from
theirs:

    mean' = mean − d / (n − 1),    squares' = squares − d² n / (n − 1),    d = value − mean.

Subtracting loses digits where the model that is left out makes up nearly all of the sum. This can
only be the one farthest from the mean, or the largest where positive numbers are added: that one is
left out for good, by a sum of its own.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class Fit(NamedTuple):
    """The distribution of values over the chosen models.

    Attributes:
        models: how many models are chosen.
        mean: their mean.
        squares: the sum of their squared distances from the mean.
    """

    models: Int[Array, " examples"]
    mean: Float[Array, "queries examples"]
    squares: Float[Array, "queries examples"]


class Fits(NamedTuple):
    """A fit to all chosen models, and one without the farthest of them.

    Attributes:
        full: the fit to all.
        far: which model is the farthest from the mean.
        without_far: the fit to all others.
    """

    full: Fit
    far: Int[Array, "queries examples"]
    without_far: Fit


def fits(
    values: Float[Array, "models queries examples"], chosen: Bool[Array, "models examples"]
) -> Fits:
    """Fits the chosen models of each example.

    Examples:
        >>> values = jnp.array([1.0, 2.0, 6.0])[:, None, None]
        >>> found = fits(values, jnp.ones((3, 1), bool))
        >>> print(found.full.mean, found.far, found.without_far.mean)
        [[3.]] [[2]] [[1.5]]
    """
    where = chosen[:, None]
    full = _fit(values, where)
    distance = jnp.where(where, jnp.abs(values - full.mean[None]), -1.0)
    far = distance.argmax(axis=0)
    models = jnp.arange(len(values))[:, None, None]
    without = _fit(values, where & (models != far[None]))
    return Fits(full, far, without._replace(models=full.models - 1))


def without(
    found: Fits,
    model: Int[Array, ""],
    value: Float[Array, "queries examples"],
    there: Bool[Array, " examples"],
) -> Fit:
    """The fit with one model left out.

    Args:
        found: the fits.
        model: which one.
        value: its values.
        there: for which examples it is among the chosen; elsewhere the fit stays as it is.

    Examples:
        >>> values = jnp.array([1.0, 2.0, 6.0])[:, None, None]
        >>> chosen = jnp.ones((3, 1), bool)
        >>> print(without(fits(values, chosen), jnp.array(0), values[0], chosen[0]))
        Fit(models=Array([2], dtype=int32), mean=Array([[4.]], dtype=float32), squares=...
    """
    count, mean, squares = found.full
    n = count.astype(mean.dtype)[None]
    left = jnp.maximum(n - 1, 1)
    d = value - mean
    far = found.far == model
    there_too = there[None]
    mean_left = jnp.where(far, found.without_far.mean, mean - d / left)
    squares_left = jnp.where(far, found.without_far.squares, squares - d * d * (n / left))
    return Fit(
        count - there.astype(count.dtype),
        jnp.where(there_too, mean_left, mean),
        jnp.where(there_too, jnp.maximum(squares_left, 0), squares),
    )


def _fit(
    values: Float[Array, "models queries examples"], where: Bool[Array, "models #queries examples"]
) -> Fit:
    count = where[:, 0].sum(axis=0)
    divisor = jnp.maximum(count, 1).astype(values.dtype)[None]
    # Relative to one of the values, the mean of equal values is that value, however many they are.
    # Else its rounding would depend on their number, and the number on membership.
    origin = middle(values)
    off = values - origin[None]
    mean = jnp.sum(off, axis=0, where=where) / divisor
    squares = jnp.sum(jnp.square(off - mean[None]), axis=0, where=where)
    return Fit(count, origin + mean, squares)


def middle(values: Float[Array, "models queries examples"]) -> Float[Array, "queries examples"]:
    """The median of the first three models, or the first where there are fewer: no outlier.

    Examples:
        >>> print(middle(jnp.array([9.0, 1.0, 2.0, 3.0])[:, None, None]))
        [[2.]]
    """
    if len(values) < 3:
        return values[0]
    first, second, third = values[:3]
    low, high = jnp.minimum(first, second), jnp.maximum(first, second)
    return jnp.maximum(low, jnp.minimum(high, third))
