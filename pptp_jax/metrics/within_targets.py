"""The AUC of an attack within a target, averaged over targets."""

import numpy as np
from jaxtyping import Bool, Real
from scipy.stats import rankdata


def auc_within_targets(
    scores: Real[np.ndarray, "targets examples"], membership: Bool[np.ndarray, "targets examples"]
) -> float | None:
    """The mean over targets of the AUC within each, ties counting half.

    Unlike the AUC over all pairs together, it compares no scores of different targets.

    Args:
        scores: the score of each example against each target.
        membership: who is a member of which target.

    Returns:
        The mean over targets that have members and non-members; None without any.

    Examples:
        >>> scores = np.array([[1.0, 2.0], [11.0, 12.0]])
        >>> auc_within_targets(scores, np.array([[False, True], [False, True]]))
        1.0
    """
    members = membership.sum(axis=1)
    pairs = members * (membership.shape[1] - members)
    ranks = np.where(membership, rankdata(scores, axis=1), 0).sum(axis=1)
    both = pairs > 0
    if not both.any():
        return None
    return float(((ranks - members * (members + 1) / 2)[both] / pairs[both]).mean())
