"""Log-odds of membership as a function of a score that never falls."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.optimize import isotonic_regression


class LogOddsCurve(NamedTuple):
    """Log-odds that never fall from one place to the next; straight lines join them.

    Attributes:
        place: rising.
        log_odds: at each place.
    """

    place: Float[np.ndarray, " steps"]
    log_odds: Float[np.ndarray, " steps"]

    def __call__(self, places: Shaped[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """The log-odds at some places; beyond the ends, those of the end."""
        return np.interp(places, self.place, self.log_odds)


def places_within(scores: Float[np.ndarray, "models examples"]) -> Int[np.ndarray, "..."]:
    """The rank of each score in its model: the number below it, and that not above it, added.

    Args:
        scores: a row a model.

    Returns:
        The sum of both counts, from 1 to twice the number of examples less 1; equal scores have
        equal places.

    Examples:
        >>> print(places_within(np.array([[3.0, 1.0, 3.0, np.inf]])))
        [[4 1 4 7]]
    """
    found = np.empty(scores.shape, int)
    for row, own in zip(found, scores, strict=True):
        rising = np.sort(own)
        row[:] = rising.searchsorted(own, "left") + rising.searchsorted(own, "right")
    return found


def monotone_log_odds(
    places: Int[np.ndarray, " pairs"], members: Bool[np.ndarray, " pairs"]
) -> LogOddsCurve:
    """The log-odds of membership by isotonic regression.

    Neighbouring places are pooled until the share of members never falls. A pool of n pairs, k of
    them members, counts as if one pair more were in it, a member by the share of all members:
    log-odds stay finite, and a pool of few says little. A pool stands at the mean of its places.

    Args:
        places: not negative.
        members: whether each pair is a member; some are, and some are not.

    References:
        Ayer et al., "An empirical distribution function for sampling with incomplete information",
        Annals of Mathematical Statistics 26, 1955.

    Examples:
        >>> curve = monotone_log_odds(np.array([1, 3, 5, 7]), np.array([False, True, False, True]))
        >>> print(curve.place, curve.log_odds.round(2))
        [1. 4. 7.] [-1.1  0.   1.1]
    """
    counts = np.bincount(places)
    hits = np.bincount(places, weights=members)
    there = np.flatnonzero(counts)
    counts, hits = counts[there], hits[there]
    starts = isotonic_regression(hits / counts, weights=counts).blocks[:-1]
    pairs, found, total = (np.add.reduceat(x, starts) for x in (counts, hits, counts * there))
    share = (found + members.mean()) / (pairs + 1)
    # The pair that is added may turn two pools around.
    return LogOddsCurve(total / pairs, np.maximum.accumulate(np.log(share) - np.log1p(-share)))
