"""The difference in utility between two curves where an attack achieves the same."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from pptp_jax.evaluation.curve import Curve, frontier
from pptp_jax.evaluation.matched_comparison import MatchedComparison
from pptp_jax.metrics import UNRESOLVED, Drawn, Estimate
from pptp_jax.validation import at_least

# An interval of fewer resamples would be one of those alone that happen to have an answer.
LEAST_SHARE = 0.95

# The attack statistics at which methods are compared.
STATISTICS = ("auc", "tpr@0.001")


class Frontier(NamedTuple):
    """Strengths and utilities of the upper concave hull, both rising.

    Utilities are negated where lower is better.
    """

    strength: Float[np.ndarray, " frontier"]
    utility: Float[np.ndarray, " frontier"]


def matched_utility(
    curve_a: Curve,
    curve_b: Curve,
    *,
    statistic: str = "auc",
    attack: str = "attack",
    at: Sequence[float] | None = None,
    count: int = 9,
) -> MatchedComparison:
    """The gain in utility of one defence over another at equal attack strength.

    The utility of a curve at some strength is that of its frontier: the upper concave hull of its
    settings. Releasing one of two models at random reaches any mixture of their utilities and,
    nearly, of their attack strengths, so a defence reaches the line between two settings.
    Joining neighbours one by one would let a poor setting, such as a stop in mid-schedule, dent the
    curve of a control and favour the defence that is compared with it.
    Nothing is extrapolated: below a frontier's least strength, and above its greatest, there is no
    answer. A curve of one point answers at that point's strength alone.

    Frontier, common range and differences are computed again in each resample, so the intervals
    include the choice of points. Choosing the best on the data that it is measured on favours a
    curve with many points: sweep both alike. The intervals at single strengths hold for each by
    itself, not for all at once; the mean's is the one to decide by. Strengths weigh equally along
    the statistic itself, not along its logarithm, for a TPR too.

    Args:
        curve_a: the defence.
        curve_b: the one that it is compared with.
        statistic: what measures strength: `auc`, `balanced_accuracy`, `tpr@0.001`, ...
        attack: the attack's name, for the verdict.
        at: the strengths to compare at; by default `count` of them, equally spaced over the common
            range, which moves with the resample.
        count: how many, if `at` is not given.

    Returns:
        The differences, positive where a is better: a less b, or b less a where the measure of the
        curves is to be low. Unresolved are those outside the common range and those that
        fewer than 95 % of the resamples can tell.

    Raises:
        ValueError: if the curves stand on different resamples or have different measures, or a
            point lacks the statistic.

    Examples:
        >>> from pptp_jax.evaluation import point
        >>> membership = np.arange(40).reshape(2, 20) % 2 == 0
        >>> better = np.arange(40).reshape(2, 20) % 4 == 1
        >>> a = Curve("a", (point(1.0 * membership, membership, better),))
        >>> b = Curve("b", (point(1.0 * membership, membership, membership),))
        >>> matched_utility(a, a).mean
        Estimate(value=0.0, low=0.0, high=0.0)
        >>> matched_utility(a, b, attack="LiRA").mean.value
        0.5
    """
    at_least(1, count=count)
    curve_a.comparable(curve_b)
    shares = np.linspace(0, 1, count)
    fixed = None if at is None else np.asarray(at, float)
    pairs = list(zip(frontiers(curve_a, statistic), frontiers(curve_b, statistic), strict=True))
    rows = [_differences(a, b, shares, fixed) for a, b in pairs]
    strengths, found = rows[0][0], np.array([differences for _, differences in rows])
    *differences, mean, best = map(paired_estimate, found.T)
    whole = pairs[0]
    resolved = np.isfinite(strengths)
    return MatchedComparison(
        a=curve_a.name,
        b=curve_b.name,
        statistic=statistic,
        attack=attack,
        measure=curve_a.measure,
        ranges=(_range(whole[0]), _range(whole[1])),
        strengths=tuple(strengths[resolved].tolist()),
        differences=tuple(d for d, known in zip(differences, resolved, strict=True) if known),
        mean=mean,
        best=best,
        resamples=len(rows) - 1,
        overlapping=int(np.isfinite(found[1:, -2]).sum()),
    )


def matched_utilities(pairs: Sequence[tuple[Curve, Curve]], *, attack: str) -> list[dict[str, Any]]:
    """Runs `matched_utility` on every pair by each of `STATISTICS`; the results as plain data.

    Args:
        pairs: the curves; a statistic that a point of the two does not resolve is left out.
        attack: the attack's name, for the verdicts.
    """
    return [
        matched_utility(a, b, statistic=statistic, attack=attack).to_json()
        for statistic in STATISTICS
        for a, b in pairs
        if all(statistic in own.strength for curve in (a, b) for own in curve.points)
    ]


def frontiers(curve: Curve, statistic: str) -> list[Frontier]:
    """The frontier of a curve in the sample itself, then in each resample.

    Raises:
        ValueError: if a point lacks the statistic.
    """
    drawn = zip(*curve.drawn(statistic), strict=True)
    return [_frontier(*row, curve.measure.sign) for row in drawn]


def _frontier(strengths: np.ndarray, utilities: np.ndarray, sign: int) -> Frontier:
    """Empty in a resample that cannot tell where every point lies."""
    if not np.isfinite([strengths, utilities]).all():
        return Frontier(np.empty(0), np.empty(0))
    oriented = sign * utilities
    chosen = frontier(strengths, oriented)
    return Frontier(strengths[chosen], oriented[chosen])


def _range(curve: Frontier) -> tuple[float, float]:
    return float(curve.strength[0]), float(curve.strength[-1])


def _differences(
    a: Frontier, b: Frontier, shares: np.ndarray, fixed: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The strengths, the differences there, then their mean and that of the best utilities."""
    places = np.full(len(shares), np.nan) if fixed is None else fixed
    if not (a.strength.size and b.strength.size):
        return places, np.full(len(places) + 2, np.nan)
    best = a.utility[-1] - b.utility[-1]
    low = max(a.strength[0], b.strength[0])
    high = min(a.strength[-1], b.strength[-1])
    if low > high:
        return places, np.array([*np.full(len(places) + 1, np.nan), best])

    def difference(strengths: np.ndarray) -> np.ndarray:
        return np.interp(strengths, *a) - np.interp(strengths, *b)

    if fixed is None:
        places = low * (1 - shares) + high * shares
    inside = (places >= low) & (places <= high) if fixed is not None else np.full(len(places), True)
    taken = np.where(inside, difference(places), np.nan)
    # Straight between its knots, so the trapezoids are exact.
    knots = np.unique(np.concatenate([a.strength, b.strength]).clip(low, high))
    along = difference(knots)
    mean = np.trapezoid(along, knots) / (high - low) if high > low else along[0]
    return places, np.array([*taken, mean, best])


def paired_estimate(column: Float[np.ndarray, " rows"]) -> Estimate:
    """A difference in the sample itself and in each resample, as a value with its interval.

    Unresolved where fewer than 95 % of the resamples can tell.
    """
    if np.isfinite(column[1:]).mean() < LEAST_SHARE:
        return UNRESOLVED
    return Drawn(float(column[0]), column[1:]).estimate()
