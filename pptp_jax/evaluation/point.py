"""A point: the utility of one setting of a defence, and the strength of an attack on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Real, Shaped

from pptp_jax.metrics import FPRS, Bootstrap, Drawn, bootstrap_mean, bootstrap_metrics
from pptp_jax.validation import Refused


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """Utility and attack strength of one fleet, resample by resample; made by `point`.

    Attributes:
        utility: on non-members.
        strength: by each attack statistic that the sample resolves: `auc`, `balanced_accuracy`,
            `tpr@0.001` and so on.
        resampling: the resamples that both stand on.
        label: the setting, for figures and tables.
    """

    utility: Drawn
    strength: Mapping[str, Drawn]
    resampling: Bootstrap
    label: str = ""

    def to_json(self) -> dict[str, Any]:
        """The label and the estimates, under the names of the statistics."""
        drawn = {"utility": self.utility, **self.strength}
        return {"label": self.label} | {
            name: found.estimate()._asdict() for name, found in drawn.items()
        }


def point(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    utility: Shaped[np.ndarray, "targets examples"],
    *,
    label: str = "",
    targets: Int[np.ndarray, " targets"] | None = None,
    resampling: Bootstrap | None = None,
    fprs: Sequence[float] = FPRS,
) -> Point:
    r"""The point of one fleet, attacked.

    In a resample, target \(t\) weighs as often as its number is drawn among all models, and example
    \(e\) as often as it is drawn among the examples, independently of each other; a pair weighs the
    product. All points of equal `resampling` stand on the same draws, so differences between them
    are paired. A fleet of which some models diverged comes with the numbers of those that are left:
    every target keeps its own draws.

    Args:
        scores: the score of each example against each target.
        membership: who is a member of which target; the same matrix for all points of a comparison,
            less the rows of diverged models.
        utility: how good each target's answer is; of classifiers, whether it is right.
        label: the setting, for figures and tables.
        targets: each row's number, below the models of the resampling; by default 0, 1, 2, ...
        resampling: the bootstrap resamples: of how many models, when none diverged, and of how many
            examples; None takes 500 of as many as the scores have.
        fprs: the false-positive rates at which the TPR is taken; those that the sample cannot
            resolve are left out.

    Raises:
        ValueError: if shapes or numbers do not fit, or as `roc` does.

    Examples:
        >>> membership = np.array([[True, False, True, False]])
        >>> scores = np.array([[2.0, 1.0, 3.0, 0.0]])
        >>> correct = np.array([[True, True, True, False]])
        >>> found = point(scores, membership, correct, resampling=Bootstrap(1, 4, resamples=9))
        >>> found.utility.value, found.strength["auc"].value
        (0.5, 1.0)
    """
    rows, examples = scores.shape
    numbers = np.arange(rows) if targets is None else np.asarray(targets)
    resampling = Bootstrap(rows, examples) if resampling is None else resampling
    if utility.shape != scores.shape:
        raise Refused(
            f"utility and scores must have one shape, got {utility.shape} and {scores.shape}"
        )
    if resampling.examples != examples:
        raise Refused(
            f"resampling must be of the {examples} examples, got one of {resampling.examples}"
        )
    known = set(range(resampling.models))
    if numbers.shape != (rows,) or len(set(numbers.tolist()) & known) != rows:
        raise Refused(
            f"targets must be {rows} different numbers, one a row, from 0 to models - 1 = "
            f"{resampling.models - 1}, got {numbers.tolist()}"
        )
    return Point(
        utility=bootstrap_mean(utility, ~membership, resampling, numbers),
        strength=bootstrap_metrics(scores, membership, resampling, numbers, fprs=fprs),
        resampling=resampling,
        label=label,
    )
