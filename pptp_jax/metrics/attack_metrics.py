"""What an attack achieves over all its targets."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from pptp_jax.metrics.estimate import UNRESOLVED, Drawn, Estimate
from pptp_jax.metrics.ranking import Ranking, Weighed
from pptp_jax.metrics.resampling import Resampling
from pptp_jax.validation import fraction

FPRS = (0.01, 0.001)
# Pairs times resamples in one go: small matrices are worked off many resamples at a time, and large
# ones in arrays that stay in the cache and that the allocator keeps.
BATCH = 2**16
Statistic = Callable[[Weighed], Float[np.ndarray, " resamples"]]


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

    Examples:
        >>> scores = np.array([[2.0, 1.0, 3.0, 0.0]])
        >>> membership = np.array([[True, False, True, False]])
        >>> attack_metrics(scores, membership)["auc"].value
        1.0
    """
    targets, examples = scores.shape
    resampling = Resampling(targets, examples, resamples, seed)
    drawn = drawn_metrics(scores, membership, resampling, np.arange(targets), fprs=fprs)
    unresolved = {f"tpr@{fpr:g}": UNRESOLVED for fpr in fprs}
    return unresolved | {name: found.estimate() for name, found in drawn.items()}


def drawn_metrics(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    resampling: Resampling,
    targets: Int[np.ndarray, " targets"],
    *,
    fprs: Sequence[float] = FPRS,
) -> dict[str, Drawn]:
    """What an attack achieves, and in each resample; rates that are unresolved are left out.

    Args:
        scores: the score of each example against each target.
        membership: who is a member of which target.
        resampling: the resamples.
        targets: the number of the model that each row belongs to.
        fprs: the false-positive rates at which the TPR is taken.

    Examples:
        >>> scores, membership = np.array([[2.0, 1.0]]), np.array([[True, False]])
        >>> found = drawn_metrics(scores, membership, Resampling(4, 2, 9), np.array([2]))
        >>> list(found), found["auc"].value
        (['auc', 'balanced_accuracy'], 1.0)
    """
    ranking = Ranking(scores, membership)
    statistics: dict[str, Statistic] = {
        "auc": ranking.auc,
        "balanced_accuracy": ranking.balanced_accuracy,
    }
    for fpr in fprs:
        fraction(fpr=fpr)
        if fpr * (~membership).sum() >= 1:
            statistics[f"tpr@{fpr:g}"] = partial(ranking.tpr_at_fpr, fpr=fpr)
    once = (np.ones((1, size), int) for size in scores.shape)
    [value] = _table(ranking.weighed(*once), statistics)
    by_model, by_example = resampling.weights()
    batch = max(1, BATCH // scores.size)
    drawn = np.concatenate(
        [
            _table(
                ranking.weighed(by_model[i : i + batch, targets], by_example[i : i + batch]),
                statistics,
            )
            for i in range(0, resampling.resamples, batch)
        ]
    )
    columns = zip(statistics, value, drawn.T, strict=True)
    return {name: Drawn(float(whole), column) for name, whole, column in columns}


def _table(
    weighed: Weighed, statistics: Mapping[str, Statistic]
) -> Float[np.ndarray, "resamples statistics"]:
    """One row a resample; NaN where it draws no members or no non-members."""
    with np.errstate(invalid="ignore"):
        table = np.stack([statistic(weighed) for statistic in statistics.values()], axis=1)
    table[~np.logical_and(*weighed.totals())] = np.nan
    return table
