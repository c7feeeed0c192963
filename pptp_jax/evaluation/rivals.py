"""Tuned rivals: the hull of all methods that protect no region, and margins above it."""

from collections.abc import Sequence

import numpy as np

from pptp_jax.evaluation.curve import Curve
from pptp_jax.evaluation.matched_utility import frontiers, paired_estimate
from pptp_jax.evaluation.measure import ACCURACY
from pptp_jax.evaluation.method import RIVALS
from pptp_jax.metrics import Drawn, Estimate


def tuned_rivals(curves: Sequence[Curve]) -> Curve:
    """The points of several methods as one curve, whose hull is the best that they reach.

    A method that protects a region has to beat it: where it beats early stopping alone, another
    rival, or a mixture of two, may still keep more. The best rival is found on the fleets that it
    is measured on, in each resample again, which favours the rivals.

    Args:
        curves: of the methods that protect no region; all on the same resamples.

    Raises:
        ValueError: if there are none, or they differ in resamples or measure.

    Examples:
        >>> from pptp_jax.evaluation import point
        >>> membership = np.array([[True, False]])
        >>> own = point(np.eye(1, 2), membership, ~membership)
        >>> found = tuned_rivals([Curve("early stopping", (own,)), Curve("decay", (own,))])
        >>> found.name, len(found.points)
        ('tuned rivals', 2)
    """
    for curve in curves:
        curves[0].comparable(curve)
    measure = curves[0].measure if curves else ACCURACY
    return Curve(RIVALS, tuple(own for curve in curves for own in curve.points), measure)


def margins(curve: Curve, rivals: Curve, statistic: str = "auc") -> list[Estimate]:
    """The margin of each point of a curve over the rivals' hull at the point's attack strength.

    Beyond the hull's end the rivals keep what they keep there, at less strength.

    Args:
        curve: of a method that protects a region.
        rivals: made by `tuned_rivals`.
        statistic: what measures strength.

    Returns:
        For each point the difference in utility, positive where the point is the better one, with
        a paired interval: hull and point move together from resample to resample. Unresolved where
        a rival has no more strength than the point in fewer than 95 % of the resamples.

    Raises:
        ValueError: if the curves stand on different resamples or have different measures, or a
            point lacks the statistic.

    Examples:
        >>> from pptp_jax.evaluation import point
        >>> membership = np.arange(40).reshape(2, 20) % 2 == 0
        >>> own = Curve("a", (point(1.0 * membership, membership, ~membership),))
        >>> margins(own, tuned_rivals([own]))
        [Estimate(value=0.0, low=0.0, high=0.0)]
    """
    found = drawn_margins(curve, rivals, statistic)
    return [paired_estimate(np.array([own.value, *own.drawn])) for own in found]


def drawn_margins(curve: Curve, rivals: Curve, statistic: str = "auc") -> list[Drawn]:
    """The same in each resample, for what is computed of margins.

    Args:
        curve: as for `margins`.
        rivals: made by `tuned_rivals`.
        statistic: what measures strength.
    """
    curve.comparable(rivals)
    sign = curve.measure.sign
    rows = [
        sign * utilities - np.interp(strengths, *hull, left=np.nan)
        if hull.strength.size
        else np.full(len(utilities), np.nan)
        for strengths, utilities, hull in zip(
            *curve.drawn(statistic), frontiers(rivals, statistic), strict=True
        )
    ]
    return [Drawn(float(column[0]), column[1:]) for column in np.array(rows).T]
