"""The measures of a fleet: accuracy, loss gap and attack AUCs, and their paired changes."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.metrics import (
    UNRESOLVED,
    Bootstrap,
    Drawn,
    Estimate,
    bootstrap_mean,
    bootstrap_metrics,
)

# The attacks of a risk map, in the order of their cost.
MAPPED = ("loss", "lira_online", "rmia_online")


class Seen(NamedTuple):
    """The stored signals of an entire fleet.

    Attributes:
        confidence: φ, the logit-scaled confidence in the label.
        utility: whether the prediction is the label; of denoisers the denoising error.
        log_prob: the log-likelihood, one row a query; None where it follows from φ.
    """

    confidence: Float[np.ndarray, "models queries examples"]
    utility: Shaped[np.ndarray, "models examples"]
    log_prob: Float[np.ndarray, "models queries examples"] | None = None


class Drawings(NamedTuple):
    """A fleet's measures and what they become in each resample."""

    accuracy: Drawn
    loss_gap: Drawn
    auc: Mapping[str, Drawn]


class Measures(NamedTuple):
    """A fleet's measures, or their changes, with intervals.

    Attributes:
        accuracy: the test accuracy, that on non-members; of denoisers the negated denoising error,
            so that more is better there, too.
        loss_gap: the mean test loss less the mean training loss.
        auc: the AUC of each attack.

    Examples:
        >>> unknown = Measures(UNRESOLVED, UNRESOLVED, {"loss": Estimate(0.7, 0.6, 0.8)})
        >>> unknown.auc["loss"].value
        0.7
    """

    accuracy: Estimate
    loss_gap: Estimate
    auc: Mapping[str, Estimate]


UNKNOWN = Measures(UNRESOLVED, UNRESOLVED, dict.fromkeys(MAPPED, UNRESOLVED))


def drawings(
    seen: Seen, matrix: Bool[np.ndarray, "models examples"], resampling: Bootstrap
) -> Drawings | None:
    """A fleet's measures, each model attacked in turn with the others as its shadows.

    Args:
        seen: the fleet's signals.
        matrix: who is a member of what.
        resampling: the resamples.

    Returns:
        The measures; None of a fleet with a model that has diverged, of which nothing can be said.
    """
    confidence = seen.confidence
    if not np.isfinite(confidence).all():
        return None
    models = np.arange(len(matrix))
    signals, utility = {"confidence": confidence}, seen.utility
    if seen.log_prob is None:
        losses = np.logaddexp(0, -confidence.astype(float)).mean(axis=1)
    else:
        signals["log_prob"] = seen.log_prob
        losses, utility = utility.astype(float), -utility.astype(float)
    held = Evidence.leave_one_out(signals, matrix)
    test = bootstrap_mean(losses, ~matrix, resampling, models)
    train = bootstrap_mean(losses, matrix, resampling, models)
    aucs = {}
    for name in MAPPED:
        scores = ATTACKS[name](held)
        aucs[name] = bootstrap_metrics(scores, matrix, resampling, models, fprs=())["auc"]
    return Drawings(
        bootstrap_mean(utility, ~matrix, resampling, models),
        test - train,
        aucs,
    )


def estimates(found: Drawings) -> Measures:
    """The measures with their intervals."""
    aucs = {name: drawn.estimate() for name, drawn in found.auc.items()}
    return Measures(found.accuracy.estimate(), found.loss_gap.estimate(), aucs)


def changes(after: Drawings | None, before: Drawings) -> Measures:
    """The changes between two fleets, with paired intervals on the same resamples.

    Args:
        after: a modified fleet; None leaves every change unresolved.
        before: the fleet as it was.
    """
    if after is None:
        return UNKNOWN
    return estimates(
        Drawings(
            after.accuracy - before.accuracy,
            after.loss_gap - before.loss_gap,
            {name: drawn - before.auc[name] for name, drawn in after.auc.items()},
        )
    )
