"""Metrics of attacks whose threshold is chosen on shadows, not on the target."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real

from pptp_jax.metrics.attack_metrics import COARSE_BELOW
from pptp_jax.metrics.bootstrap import Drawn
from pptp_jax.metrics.estimate import UNRESOLVED, Estimate
from pptp_jax.metrics.masked_mean import bootstrap_mean
from pptp_jax.metrics.resamples import Bootstrap
from pptp_jax.metrics.thresholds import best_threshold, cut_at_fpr
from pptp_jax.validation import Refused


class CalibratedRates(NamedTuple):
    """The rates of a threshold on targets that it was not chosen on.

    Attributes:
        tpr: the share of members called members.
        fpr: the share of non-members called members, to compare with the rate aimed at.
        balanced_accuracy: (TPR + 1 − FPR) / 2.
    """

    tpr: Estimate
    fpr: Estimate
    balanced_accuracy: Estimate

    def to_json(self) -> dict[str, dict[str, Any]]:
        """The estimates by name."""
        return {name: estimate._asdict() for name, estimate in self._asdict().items()}


def calibrated_metrics(
    scores: Real[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    *,
    shadow_scores: Real[np.ndarray, "shadows others"] | None = None,
    shadow_membership: Bool[np.ndarray, "shadows others"] | None = None,
    fprs: Sequence[float] = (0.01, 0.001),
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, CalibratedRates]:
    """TPR, FPR and accuracy on the targets of thresholds chosen on shadows, with 95 % intervals.

    A threshold that was chosen on the target itself favours the attacker, who does not know
    the target's members. Here the threshold comes from shadows, attacked in the same way.

    Args:
        scores: the score of each example against each target.
        membership: who is a member of which target.
        shadow_scores: the same of models whose members the attacker knows; None takes, for each
            target, all the others.
        shadow_membership: who is a member of which of them.
        fprs: the false-positive rates that the thresholds have on the shadows.
        resamples: the number of bootstrap resamples of targets and examples; thresholds stay.
        seed: what the bootstrap depends on.

    Returns:
        `best` for the threshold with the best balanced accuracy on the shadows, and `fpr@FPR` for
        each rate; unresolved and coarse as in `attack_metrics`, by the shadows' non-members.

    Raises:
        ValueError: if a single target comes without shadows, shadow scores without their
            membership, or as `roc` does.

    Examples:
        >>> membership = np.array([[True, True, False, False]] * 2)
        >>> scores = np.array([[4.0, 3.0, 2.0, 1.0], [3.0, 2.0, 1.0, 0.0]])
        >>> found = calibrated_metrics(scores, membership)["best"]
        >>> found.tpr.value, found.fpr.value, found.balanced_accuracy.value
        (0.75, 0.25, 0.75)
    """
    targets, examples = scores.shape
    if (shadow_scores is None) != (shadow_membership is None):
        raise Refused("shadow_scores and shadow_membership must come together")
    if shadow_scores is not None and shadow_membership is not None:
        shadows = [(shadow_scores, shadow_membership)]
    elif targets > 1:
        others = [np.arange(targets) != target for target in range(targets)]
        shadows = [(scores[rest], membership[rest]) for rest in others]
    else:
        raise Refused("a single target needs shadow_scores and shadow_membership")
    resampling = Bootstrap(targets, examples, resamples, seed)

    def achieved(cuts: Float[np.ndarray, " cuts"], coarse: bool = False) -> CalibratedRates:
        called, numbers = scores.astype(float) > cuts[:, None], np.arange(targets)
        tpr, fpr = (
            bootstrap_mean(called, chosen, resampling, numbers)._replace(
                trials=int(chosen.sum()), coarse=coarse
            )
            for chosen in (membership, ~membership)
        )
        balanced = Drawn(
            (tpr.value + 1 - fpr.value) / 2, (tpr.drawn + 1 - fpr.drawn) / 2, coarse=coarse
        )
        return CalibratedRates(tpr.estimate(), fpr.estimate(), balanced.estimate())

    found = {"best": achieved(np.array([best_threshold(*own) for own in shadows]))}
    nonmembers = min(int((~truth).sum()) for _, truth in shadows)
    for fpr in fprs:
        cuts = np.array([cut_at_fpr(*own, fpr) for own in shadows])
        found[f"fpr@{fpr:g}"] = (
            achieved(cuts, fpr * nonmembers < COARSE_BELOW)
            if fpr * nonmembers >= 1
            else CalibratedRates(UNRESOLVED, UNRESOLVED, UNRESOLVED)
        )
    return found
