"""The riskiest examples: those whose membership an attack identifies best, over all targets."""

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from pptp_jax.metrics.roc import checked_scores
from pptp_jax.validation import at_least


def alarm_rates(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
) -> Float[np.ndarray, "targets examples"]:
    """The least false-positive rate at which each pair is taken for a member.

    It is the share of the (target, non-member) pairs that score at least as high; one pair at
    least, since nothing is known of a smaller share.

    Raises:
        ValueError: as `roc` does.

    Examples:
        >>> scores = np.array([[3.0, 2.0, 2.0, 1.0]])
        >>> alarm_rates(scores, np.array([[True, True, False, False]]))
        array([[0.5, 0.5, 0.5, 1. ]])
    """
    scores = checked_scores(scores, membership)
    nonmembers = np.sort(scores[~membership])
    reached = len(nonmembers) - np.searchsorted(nonmembers, scores, side="left")
    return np.maximum(reached, 1) / len(nonmembers)


def riskiest(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    count: int,
) -> Int[np.ndarray, " riskiest"]:
    """The examples whose membership an attack identifies best, the riskiest first.

    An example is risky if the attack calls it a member of the targets that trained on it at a low
    false-positive rate, and of the others only at a high one: the difference of the mean logarithms
    counts, so that an example that looks like a member of every target has no risk. Where an
    example is a member of all targets, the non-members' overall mean replaces the missing side.

    Args:
        scores: the score of each example against each target.
        membership: who is a member of which target.
        count: how many at most; examples that no target trained on are never among them.

    Raises:
        ValueError: as `roc` does.

    Examples:
        >>> scores = np.array([[3.0, 9.0, 0.0], [0.0, 9.0, 1.0]])
        >>> riskiest(scores, np.array([[True, True, False], [False, False, True]]), count=2)
        array([0, 2])
    """
    at_least(1, count=count)
    rates = np.log(alarm_rates(scores, membership))

    def mean(chosen: Bool[np.ndarray, "targets examples"]) -> Float[np.ndarray, " examples"]:
        total, number = np.where(chosen, rates, 0).sum(axis=0), chosen.sum(axis=0)
        missing = np.full(len(total), rates[~membership].mean())
        return np.divide(total, number, out=missing, where=number > 0)

    risk = np.where(membership.any(axis=0), mean(~membership) - mean(membership), -np.inf)
    order = np.argsort(-risk, kind="stable")
    return order[: min(count, np.isfinite(risk).sum())]
