"""How well scores tell members from non-members: ROC, rates, intervals; NumPy, float64.

Scores of several targets are pooled into one ROC, and the intervals are those of a bootstrap that
resamples targets and examples independently of each other (both rows and columns of the score
matrix), since the scores of one target, like those of one example, hang together.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real, Shaped

from pptp_jax.validation import at_least, fraction

FPRS = (0.01, 0.001)


class Estimate(NamedTuple):
    """A number with its 95 % interval; None where the sample cannot resolve it."""

    value: float | None
    low: float | None
    high: float | None


UNRESOLVED = Estimate(None, None, None)


class Roc(NamedTuple):
    """The points of an ROC from (0, 0) to (1, 1); equal scores make one step together."""

    fpr: Float[np.ndarray, " points"]
    tpr: Float[np.ndarray, " points"]


def roc(scores: Real[np.ndarray, "*shape"], membership: Bool[np.ndarray, "*shape"]) -> Roc:
    """The ROC of scores of which a larger one means "more likely a member".

    Raises:
        ValueError: if the shapes differ, a score is NaN, or there are no members or no non-members.

    Examples:
        >>> roc(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
        Roc(fpr=array([0., 0., 1., 1.]), tpr=array([0. , 0.5, 0.5, 1. ]))
    """
    _, members, ends = _sorted(scores, membership)
    return _curve(members.astype(int), 1 - members, ends)


def auc(curve: Roc) -> float:
    """The area under an ROC: how often a member outscores a non-member, ties counting half.

    Examples:
        >>> print(auc(roc(np.zeros(4), np.array([True, True, True, False]))))
        0.5
    """
    return float(np.trapezoid(curve.tpr, curve.fpr))


def tpr_at_fpr(curve: Roc, fpr: float) -> float:
    """The highest TPR at a false-positive rate of at most `fpr`.

    No point between two steps is made up: with ties, a threshold takes all of them or none.

    Raises:
        ValueError: if `fpr` is no rate.

    Examples:
        >>> scores, membership = np.array([3.0, 2.0, 1.0]), np.array([True, False, True])
        >>> print(tpr_at_fpr(roc(scores, membership), 0.01))
        0.5
    """
    fraction(fpr=fpr)
    # A rate such as 3/300 may come out a rounding above 0.01.
    last = np.searchsorted(curve.fpr, fpr + 1e-12, side="right") - 1
    return float(curve.tpr[last])


def balanced_accuracy(curve: Roc) -> float:
    """The best (TPR + 1 − FPR) / 2 over all thresholds, as an attacker who knew the best one.

    Examples:
        >>> scores, membership = np.array([3.0, 2.0, 1.0]), np.array([True, False, True])
        >>> print(balanced_accuracy(roc(scores, membership)))
        0.75
    """
    return float(0.5 + (curve.tpr - curve.fpr).max() / 2)


def attack_metrics(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    *,
    fprs: Sequence[float] = FPRS,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, Estimate]:
    """What an attack achieves over all its targets, with 95 % intervals.

    A rate is reported only where at least one non-member is allowed above the threshold, that is
    where `fpr` times the number of (target, non-member) pairs is at least 1; elsewhere it is
    unresolved.

    Args:
        scores: the score of each example against each target.
        membership: who is a member of which target.
        fprs: the false-positive rates at which the TPR is taken.
        resamples: the number of bootstrap resamples of targets and examples.
        seed: what the bootstrap depends on.

    Returns:
        `auc`, `balanced_accuracy`, and `tpr@FPR` for each rate.

    References:
        Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007: resampling both
        sides of a matrix errs on the side of wider intervals.

    Examples:
        >>> scores = np.array([[2.0, 1.0, 3.0, 0.0]])
        >>> membership = np.array([[True, False, True, False]])
        >>> attack_metrics(scores, membership)["auc"].value
        1.0
    """
    whole = roc(scores, membership)
    statistics: dict[str, Callable[[Roc], float]] = {
        "auc": auc,
        "balanced_accuracy": balanced_accuracy,
    }
    for fpr in fprs:
        if fpr * (~membership).sum() >= 1:
            statistics[f"tpr@{fpr:g}"] = partial(tpr_at_fpr, fpr=fpr)
    drawn = [
        [statistic(curve) for statistic in statistics.values()]
        for curve in _bootstrap_curves(scores, membership, resamples, seed)
    ]
    found = {
        name: _interval(statistic(whole), column)
        for (name, statistic), column in zip(statistics.items(), np.array(drawn).T, strict=True)
    }
    return {f"tpr@{fpr:g}": UNRESOLVED for fpr in fprs} | found


def mean_over(
    outcomes: Shaped[np.ndarray, "models examples"],
    chosen: Bool[np.ndarray, "models examples"],
    *,
    resamples: int = 500,
    seed: int = 0,
) -> Estimate:
    """The mean over chosen (model, example) pairs, such as an accuracy over non-members.

    Args:
        outcomes: one number or truth value a pair.
        chosen: the pairs that count.
        resamples: the number of bootstrap resamples of models and examples.
        seed: what the bootstrap depends on.

    Examples:
        >>> mean_over(np.ones((2, 3)), np.ones((2, 3), bool))
        Estimate(value=1.0, low=1.0, high=1.0)
    """
    if not chosen.any():
        return UNRESOLVED
    by_model, by_example = _resampled(outcomes.shape, resamples, seed)
    by_model = by_model.astype(float)
    total = ((by_model @ np.where(chosen, outcomes, 0)) * by_example).sum(axis=1)
    count = ((by_model @ chosen) * by_example).sum(axis=1)
    drawn = total[count > 0] / count[count > 0]
    return _interval(float(outcomes[chosen].mean()), drawn)


def _sorted(
    scores: Real[np.ndarray, "*shape"], membership: Bool[np.ndarray, "*shape"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The order of falling scores, members in it, and the last place of each run of equals."""
    if scores.shape != membership.shape:
        raise ValueError(
            f"scores and membership must have one shape, got {scores.shape} and {membership.shape}"
        )
    if np.isnan(scores).any():
        raise ValueError(f"scores must be numbers, {np.isnan(scores).sum()} of them are NaN")
    if membership.all() or not membership.any():
        raise ValueError(
            "an ROC needs members and non-members, got "
            f"{membership.sum()} and {(~membership).sum()}"
        )
    order = np.argsort(-scores, axis=None, kind="stable")
    members, falling = membership.ravel()[order], scores.ravel()[order]
    ends = np.flatnonzero(np.append(np.diff(falling) != 0, True))
    return order, members, ends


def _curve(
    members: Int[np.ndarray, " pairs"],
    nonmembers: Int[np.ndarray, " pairs"],
    ends: Int[np.ndarray, " steps"],
) -> Roc:
    def share(weights: np.ndarray) -> np.ndarray:
        rising = np.append(0, weights.cumsum()[ends])
        return rising / rising[-1]

    return Roc(share(nonmembers), share(members))


def _bootstrap_curves(
    scores: np.ndarray, membership: np.ndarray, resamples: int, seed: int
) -> Iterator[Roc]:
    """ROCs of resamples; a resample weights pairs, so one sort serves all."""
    order, members, ends = _sorted(scores, membership)
    target, example = np.unravel_index(order, scores.shape)
    for by_target, by_example in zip(*_resampled(scores.shape, resamples, seed), strict=True):
        weights = by_target[target] * by_example[example]
        drawn_members = weights * members
        drawn_nonmembers = weights - drawn_members
        if drawn_members.any() and drawn_nonmembers.any():
            yield _curve(drawn_members, drawn_nonmembers, ends)


@lru_cache(maxsize=1)
def _resampled(
    shape: tuple[int, int], resamples: int, seed: int
) -> tuple[Int[np.ndarray, "resamples rows"], Int[np.ndarray, "resamples columns"]]:
    """How often each row and each column is drawn when as many are drawn with replacement.

    Kept from one call to the next: attacks and recipes are then compared on the same resamples.
    """
    at_least(1, resamples=resamples)
    rng = np.random.default_rng(seed)
    rows, columns = (
        rng.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.int32)
        for size in shape
    )
    return rows, columns


def _interval(value: float, drawn: Float[np.ndarray, " resamples"]) -> Estimate:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high))
