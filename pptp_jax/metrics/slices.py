"""The metrics of an attack on slices: pairs of one class, or of similar difficulty."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from pptp_jax.metrics.attack_metrics import bootstrap_metrics, metric_names
from pptp_jax.metrics.estimate import UNRESOLVED, Estimate
from pptp_jax.metrics.resamples import Bootstrap
from pptp_jax.validation import Refused


class Slice(NamedTuple):
    """Some of the (target, example) pairs, and the metrics of an attack on them.

    Attributes:
        slice: its number.
        members: how many pairs are members.
        nonmembers: how many are not.
        metrics: `auc`, `balanced_accuracy`, `advantage` and `tpr@FPR`, of the slice's own ROC;
            unresolved as in `attack_metrics`, and where it lacks members or non-members.
    """

    slice: int
    members: int
    nonmembers: int
    metrics: dict[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """Number and counts, and the estimates under their names."""
        estimates = {name: estimate._asdict() for name, estimate in self.metrics.items()}
        return {**self._asdict(), "metrics": estimates}


def sliced_metrics(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    slices: Int[np.ndarray, "#targets examples"],
    *,
    fprs: Sequence[float] = (0.01,),
    resamples: int = 500,
    seed: int = 0,
) -> list[Slice]:
    """The metrics of an attack in each slice, with 95 % intervals.

    All slices stand on the same resamples of targets and examples.

    Args:
        scores: the score of each example against each target.
        membership: who is a member of which target.
        slices: the slice of each pair, or in one row of each example; −1 leaves one out.
        fprs: the false-positive rates at which the TPR is taken.
        resamples: the number of bootstrap resamples.
        seed: what the bootstrap depends on.

    Returns:
        The slices by rising numbers.

    Raises:
        ValueError: if the slices do not fit the scores, or as `roc` does.

    Examples:
        >>> membership = np.array([[True, False, True, False]])
        >>> scores, classes = np.array([[1.0, 0.0, 0.0, 1.0]]), np.array([[0, 0, 1, 1]])
        >>> [found.metrics["auc"].value for found in sliced_metrics(scores, membership, classes)]
        [1.0, 0.0]
    """
    targets, examples = scores.shape
    if slices.shape not in ((1, examples), (targets, examples)):
        raise Refused(
            f"slices must have shape {(1, examples)} or {(targets, examples)} to fit the scores, "
            f"got {slices.shape}"
        )
    resampling, numbers = Bootstrap(targets, examples, resamples, seed), np.arange(targets)
    found = []
    for slice in np.unique(slices[slices >= 0]).tolist():
        among = np.broadcast_to(slices == slice, scores.shape)
        counts = int(membership[among].sum()), int((~membership)[among].sum())
        metrics = dict.fromkeys(metric_names(fprs, (), ()), UNRESOLVED)
        if all(counts):
            drawn = bootstrap_metrics(
                scores, membership, resampling, numbers, fprs=fprs, among=among
            )
            metrics |= {name: one.estimate() for name, one in drawn.items()}
        found.append(Slice(slice, *counts, metrics))
    return found


def out_confidence(
    confidence: Float[np.ndarray, "models examples"],
    membership: Bool[np.ndarray, "models examples"],
    targets: Int[np.ndarray, " targets"],
) -> Float[np.ndarray, "targets examples"]:
    """The mean confidence of the OUT models of an example, the target left out.

    A mean that took the target in would be higher for non-members of which the target is confident
    by chance, and so sort pairs by what the attack has to tell.

    Args:
        confidence: φ, or another measure of how easy an example is to a model.
        membership: who is a member of which model.
        targets: the targets' numbers among the models.

    Returns:
        The mean over the OUT models other than the target; NaN without any.

    Examples:
        >>> membership = np.array([[True], [False], [False]])
        >>> print(out_confidence(np.array([[9.0], [1.0], [2.0]]), membership, np.arange(3)))
        [[1.5]
         [2. ]
         [1. ]]
    """
    outside = ~membership
    of = np.where(outside, confidence, 0.0).astype(float)
    counts = outside.sum(axis=0) - outside[targets]
    totals = of.sum(axis=0) - of[targets]
    return np.divide(totals, counts, out=np.full(counts.shape, np.nan), where=counts > 0)


def deciles(values: Float[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
    """The tenth of all values that each lies in, 0 for the lowest; −1 for NaN.

    Equal values are never distinguished, so tenths of values with ties differ in size.

    Examples:
        >>> print(deciles(np.array([0, 1, 2, 3, 4, np.nan, 5, 6, 7, 8, 9])))
        [ 0  1  2  3  4 -1  5  6  7  8  9]
    """
    known = np.isfinite(values)
    found = np.full(values.shape, -1)
    if known.any():
        edges = np.quantile(values[known], np.arange(1, 10) / 10)
        found[known] = np.searchsorted(edges, values[known], side="left")
    return found
