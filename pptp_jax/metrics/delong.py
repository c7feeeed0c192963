"""The AUC of one target with DeLong's interval."""

import numpy as np
from jaxtyping import Bool, Real
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from pptp_jax.metrics.clopper_pearson import clopper_pearson
from pptp_jax.metrics.estimate import Estimate
from pptp_jax.metrics.roc import checked_scores
from pptp_jax.validation import Refused


def delong(
    scores: Real[np.ndarray, " examples"], membership: Bool[np.ndarray, " examples"]
) -> Estimate:
    """The AUC of an attack on one target, with a 95 % interval that takes no resamples.

    The variance of the AUC is that of the shares of non-members whom each member outscores, over
    the number of members, plus the like for non-members (DeLong); ranks give it in O(n log n). The
    interval is taken on the logit scale, so that it stays within 0 and 1. Where no pair is out of
    order nothing varies, and its far end is Clopper's and Pearson's for as many pairs as can be
    formed without using an example twice.

    It is an interval for other examples and this one target; `attack_metrics` has one for other
    targets too.

    Args:
        scores: of each example; a larger one means "member".
        membership: who is a member.

    Raises:
        ValueError: with scores of several targets, fewer than two members or two non-members, or as
            `roc` does.

    References:
        DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated
        receiver operating characteristic curves", Biometrics 44, 1988; Sun and Xu, "Fast
        implementation of DeLong's algorithm", IEEE Signal Processing Letters 21, 2014.

    Examples:
        >>> membership = np.arange(8) < 4
        >>> value, low, high = delong(np.array([6, 5, 4, 1, 3, 3, 2, 0]), membership)
        >>> print(f"{value:.3f} [{low:.3f}, {high:.3f}]")
        0.812 [0.254, 0.982]
    """
    scores = checked_scores(scores, membership)
    if scores.ndim != 1:
        raise Refused(
            f"scores must be those of one target, of shape (examples,), got {scores.shape}; "
            "attack_metrics has an interval for several"
        )
    members, others = scores[membership], scores[~membership]
    pairs = min(len(members), len(others))
    if pairs < 2:
        raise Refused(
            "an interval needs two members and two non-members at least, got "
            f"{len(members)} and {len(others)}"
        )
    ranks = rankdata(np.concatenate([members, others]))
    # What a rank among all adds to the rank among one's like: others below, ties counting half.
    beaten = (ranks[: len(members)] - rankdata(members)) / len(others)
    passed = (ranks[len(members) :] - rankdata(others)) / len(members)
    auc = float(beaten.mean())
    if auc in (0.0, 1.0):
        exact = clopper_pearson(round(auc * pairs), pairs)
        return Estimate(auc, float(exact.low), float(exact.high))
    error = np.sqrt(beaten.var(ddof=1) / len(members) + passed.var(ddof=1) / len(others))
    ends = norm.ppf([0.025, 0.975]) * error / (auc * (1 - auc))
    low, high = expit(logit(auc) + ends).tolist()
    return Estimate(auc, low, high)
