"""Means and variances over shadows with any one of them left out, from sums that are made once.

Attacking every model in turn with all others as its shadows takes as many fits as there are models.
Each differs from the fit to all shadows by one model, so its mean and sum of squares follow from
theirs:

    mean' = mean − d / (n − 1),    squares' = squares − d² n / (n − 1),    d = value − mean.

Subtracting loses digits where the model that is left out makes up nearly all of the sum. This can
only be the one farthest from the mean, or the largest where positive numbers are added: that one is
left out for good, by a sum of its own.
"""

from itertools import product
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


class Fit(NamedTuple):
    """How values are distributed over the chosen models.

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
        whole: the fit to all.
        far: which model is the farthest from the mean.
        without_far: the fit to all others.
    """

    whole: Fit
    far: Int[Array, "queries examples"]
    without_far: Fit


def fits(
    values: Float[Array, "models queries examples"], chosen: Bool[Array, "models examples"]
) -> Fits:
    """Fits the chosen models of each example.

    Examples:
        >>> values = jnp.array([1.0, 2.0, 6.0])[:, None, None]
        >>> found = fits(values, jnp.ones((3, 1), bool))
        >>> print(found.whole.mean, found.far, found.without_far.mean)
        [[3.]] [[2]] [[1.5]]
    """
    where = chosen[:, None]
    whole = _fit(values, where)
    distance = jnp.where(where, jnp.abs(values - whole.mean[None]), -1.0)
    far = distance.argmax(axis=0)
    models = jnp.arange(len(values))[:, None, None]
    without = _fit(values, where & (models != far[None]))
    return Fits(whole, far, without._replace(models=whole.models - 1))


def without(
    found: Fits,
    model: Int[Array, ""] | Int[Array, " examples"],
    value: Float[Array, "queries examples"],
    there: Bool[Array, " examples"],
) -> Fit:
    """The fit with one model left out.

    Args:
        found: the fits.
        model: which one, for all examples or for each.
        value: its values.
        there: for which examples it is among the chosen; elsewhere the fit stays as it is.

    Examples:
        >>> values = jnp.array([1.0, 2.0, 6.0])[:, None, None]
        >>> chosen = jnp.ones((3, 1), bool)
        >>> print(without(fits(values, chosen), jnp.array(0), values[0], chosen[0]))
        Fit(models=Array([2], dtype=int32), mean=Array([[4.]], dtype=float32), squares=...
    """
    count, mean, squares = found.whole
    n = count.astype(mean.dtype)[None]
    left = jnp.maximum(n - 1, 1)
    d = value - mean
    far = found.far == jnp.broadcast_to(model, found.far.shape)
    there_too = there[None]
    mean_left = jnp.where(far, found.without_far.mean, mean - d / left)
    squares_left = jnp.where(far, found.without_far.squares, squares - d * d * (n / left))
    return Fit(
        count - there.astype(count.dtype),
        jnp.where(there_too, mean_left, mean),
        jnp.where(there_too, jnp.maximum(squares_left, 0), squares),
    )


class StandIns(NamedTuple):
    """Who is left out beside each target.

    Attributes:
        who: which shadow; −1 for none.
        inside: whether it is an IN shadow.
        value: its values.
    """

    who: Int[Array, "targets examples"]
    inside: Bool[Array, "targets examples"]
    value: Float[Array, "targets queries examples"]


def left_out(
    known: Float[Array, "shadows queries examples"],
    chosen: Bool[Array, "shadows examples"],
    place: Int[Array, ""],
    stand_in: StandIns,
    *,
    inside: bool,
) -> tuple[Int[Array, " examples"], Float[Array, "queries examples"], Bool[Array, " examples"]]:
    """Which shadow of a kind is left out for which example: the target, its stand-in or nobody.

    Args:
        known: what was fitted.
        chosen: which shadows are of this kind for which example.
        place: which shadow the target is itself; −1 for none.
        stand_in: that of this target.
        inside: whether this kind is IN.

    Returns:
        Which one, its values, and for which examples there is one, as `without` takes them.
    """
    target_there = chosen[place] & (place >= 0)
    stand_in_there = (stand_in.inside == inside) & (stand_in.who >= 0)
    model = jnp.where(target_there, place, stand_in.who)
    value = jnp.where(target_there[None], known[place], stand_in.value)
    return model, value, target_there | stand_in_there


def stand_ins(
    members: Bool[np.ndarray, "shadows examples"],
    itself: Int[np.ndarray, " targets"],
    known: Float[np.ndarray, "shadows queries examples"],
) -> StandIns:
    """Who is left out beside the target, so that the number of shadows does not tell its members.

    Where every example is in equally many models, a member of the target has one IN shadow fewer
    than a non-member, and one OUT shadow more: the attack would be given away by the numbers alone,
    for a fit to fewer shadows is a worse one. So the next shadow of the kind of which there is one
    more is left out as well, and every example has as many of either kind, whatever it is. Nobody
    is where the numbers tell nothing: the target is no shadow, or the others' numbers differ by
    more than one.

    Args:
        members: who is a member of which shadow.
        itself: which shadow each target is itself; −1 for none.
        known: the shadows' values.

    Examples:
        >>> members = np.array([[True, False], [True, False], [False, True], [False, True]])
        >>> found = stand_ins(members, np.array([0, 3]), np.zeros((4, 1, 2), np.float32))
        >>> print(found.who)
        [[2 2]
         [0 0]]
    """
    counts = members.sum(axis=0, dtype=np.int32)
    who = np.full((len(itself), members.shape[1]), -1, np.int32)
    inside = np.zeros(who.shape, bool)
    value = np.zeros((len(itself), *known.shape[1:]), known.dtype)
    of_place = {int(place): row for row, place in enumerate(itself) if place >= 0}
    following = {kind: np.full(members.shape[1], -1, np.int32) for kind in (True, False)}
    # Backwards twice around: behind the last shadow comes the first.
    for turn, place in product((0, 1), reversed(range(len(members)))):
        others = counts - members[place]
        if turn and place in of_place and np.ptp(others) == 1:
            row = of_place[place]
            inside[row] = others == others.max()
            who[row] = np.where(inside[row], following[True], following[False])
            value[row] = np.take_along_axis(known, who[row][None, None], axis=0)[0]
        for kind, latest in following.items():
            latest[members[place] == kind] = place
    return StandIns(jnp.asarray(who), jnp.asarray(inside), jnp.asarray(value))


def _fit(
    values: Float[Array, "models queries examples"], where: Bool[Array, "models #queries examples"]
) -> Fit:
    count = where[:, 0].sum(axis=0)
    divisor = jnp.maximum(count, 1).astype(values.dtype)[None]
    mean = jnp.sum(values, axis=0, where=where) / divisor
    squares = jnp.sum(jnp.square(values - mean[None]), axis=0, where=where)
    return Fit(count, mean, squares)
