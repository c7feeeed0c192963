"""Thresholds of scores above which an attacker calls examples members."""

import numpy as np
from jaxtyping import Bool, Real

from pptp_jax.metrics.roc import checked_scores
from pptp_jax.validation import fraction


def cut_at_fpr(
    scores: Real[np.ndarray, "*shape"], membership: Bool[np.ndarray, "*shape"], fpr: float
) -> float:
    """The lowest threshold above which lies a share of at most `fpr` of the non-members.

    A score above it, not at it, means "member". Above −∞ lies everyone.

    Raises:
        ValueError: if `fpr` is no rate, or as `roc` does.

    Examples:
        >>> scores, membership = np.arange(5.0), np.array([False, False, False, True, True])
        >>> cut_at_fpr(scores, membership, 0.34), cut_at_fpr(scores, membership, 1.0)
        (1.0, -inf)
    """
    fraction(fpr=fpr)
    scores = checked_scores(scores, membership)
    others = scores[~membership]
    # A rate such as 3/300 may come out a rounding above 0.01.
    allowed = int((fpr + 1e-12) * len(others))
    if allowed >= len(others):
        return -np.inf
    place = len(others) - 1 - allowed
    return float(np.partition(others, place)[place])


def best_threshold(
    scores: Real[np.ndarray, "*shape"], membership: Bool[np.ndarray, "*shape"]
) -> float:
    """The threshold with the largest TPR − FPR; of several the highest.

    Raises:
        ValueError: as `roc` does.

    Examples:
        >>> best_threshold(np.array([3.0, 2.0, 1.0]), np.array([True, False, False]))
        2.0
    """
    scores = checked_scores(scores, membership)
    rising = np.sort(scores[~membership])
    cuts = np.append(rising[::-1], -np.inf)
    tpr, fpr = (
        1 - np.searchsorted(side, cuts, side="right") / len(side)
        for side in (np.sort(scores[membership]), rising)
    )
    return float(cuts[np.argmax(tpr - fpr)])
