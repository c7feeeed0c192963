"""The ROC of scores, and the metrics read from it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real

from pptp_jax.validation import Refused, fraction


class Roc(NamedTuple):
    """The points of an ROC from (0, 0) to (1, 1); equal scores make one step together."""

    fpr: Float[np.ndarray, " points"]
    tpr: Float[np.ndarray, " points"]


def roc(scores: Real[np.ndarray, "*shape"], membership: Bool[np.ndarray, "*shape"]) -> Roc:
    """The ROC of scores of which a larger one means "more likely a member".

    Raises:
        Refused: if scores are no real numbers or NaN, the shapes differ, membership is not boolean,
            or there are no members or no non-members.

    Examples:
        >>> roc(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
        Roc(fpr=array([0., 0., 1., 1.]), tpr=array([0. , 0.5, 0.5, 1. ]))
    """
    scores = checked_scores(scores, membership)
    order = np.argsort(-scores, axis=None, kind="stable")
    members, falling = membership.ravel()[order], scores.ravel()[order]
    ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))

    def share(counted: np.ndarray) -> np.ndarray:
        rising = np.append(0, counted.cumsum()[ends])
        return rising / rising[-1]

    return Roc(share(~members), share(members))


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


def tnr_at_fnr(curve: Roc, fnr: float) -> float:
    """The highest TNR at a false-negative rate of at most `fnr`: non-members found with certainty.

    Raises:
        ValueError: if `fnr` is no rate.

    Examples:
        >>> scores, membership = np.array([3.0, 2.0, 1.0]), np.array([True, True, False])
        >>> print(tnr_at_fnr(roc(scores, membership), 0.01))
        1.0
    """
    fraction(fnr=fnr)
    first = np.searchsorted(curve.tpr, 1 - fnr - 1e-12, side="left")
    return float(1 - curve.fpr[first])


def advantage(curve: Roc) -> float:
    """The largest TPR − FPR: 2 `balanced_accuracy` − 1.

    Examples:
        >>> scores, membership = np.array([3.0, 2.0, 1.0]), np.array([True, False, True])
        >>> print(advantage(roc(scores, membership)))
        0.5
    """
    return float((curve.tpr - curve.fpr).max())


def ppv(tpr: float, fpr: float, prior: float) -> float:
    """The share of members among those called members, when a share `prior` of all are members.

    It is 0 where no member is found.

    Raises:
        ValueError: if one of them is not a rate, or no example is called a member.

    Examples:
        >>> print(f"{ppv(tpr=0.05, fpr=0.001, prior=0.01):.3f}")
        0.336
    """
    fraction(tpr=tpr, fpr=fpr, prior=prior)
    called = prior * tpr + (1 - prior) * fpr
    if called == 0:
        raise Refused(f"no example is called a member at tpr={tpr}, fpr={fpr}, prior={prior}")
    return prior * tpr / called


def balanced_accuracy(curve: Roc) -> float:
    """The largest (TPR + 1 − FPR) / 2 over all thresholds: an upper bound for an attacker.

    Examples:
        >>> scores, membership = np.array([3.0, 2.0, 1.0]), np.array([True, False, True])
        >>> print(balanced_accuracy(roc(scores, membership)))
        0.75
    """
    return 0.5 + advantage(curve) / 2


def checked_scores(
    scores: Real[np.ndarray, "*shape"], membership: Bool[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """The scores in float64; refuses NaN, wrong shapes, and membership of one kind only.

    Booleans and unsigned numbers have no negative, in which scores are sorted, and the smallest
    signed one has itself.

    Examples:
        >>> checked_scores(np.array([True, False]), np.array([True, False]))
        array([1., 0.])
    """
    if membership.dtype != bool:
        raise Refused(
            f"membership must be boolean, got an array of {membership.dtype}: if it holds 0 and 1, "
            "give membership.astype(bool)"
        )
    if scores.shape != membership.shape:
        raise Refused(
            f"scores and membership must have one shape, got {scores.shape} and {membership.shape}"
        )
    # Of float's kind, but wider, is longdouble alone.
    if not np.can_cast(scores.dtype, np.float64, "same_kind"):
        raise Refused(f"scores must be real numbers, got an array of {scores.dtype}")
    found = scores.astype(np.float64)
    if scores.dtype.kind in "iu" and (np.abs(found) > 2.0**53).any():
        raise Refused(
            "scores that are integers must lie within ±2^53, beyond which float64 cannot tell "
            "them apart: give their ranks"
        )
    if np.isnan(found).any():
        raise Refused(f"scores must be numbers, {np.isnan(found).sum()} of them are NaN")
    if membership.all() or not membership.any():
        raise Refused(
            "an ROC needs members and non-members, got "
            f"{membership.sum()} and {(~membership).sum()}"
        )
    return found
