"""Results beyond the overall rates: by class and difficulty, and agreement between attacks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from pptp_jax.data import Membership
from pptp_jax.evaluation.attack_fleet import Attacked
from pptp_jax.fleets import FleetSignals
from pptp_jax.metrics import (
    agreement,
    calibrated_metrics,
    deciles,
    out_confidence,
    roc_band,
    sliced_metrics,
    stability,
)

# At 1 % attacks find enough members for a comparison, and few enough for it to tell.
FPR = 0.01


def slices(
    fleet: FleetSignals,
    membership: Membership,
    seen: Attacked,
    compared: str,
    *,
    labels: Int[np.ndarray, " examples"] | None,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """The part of a results row on slices and agreement, by the keys in docs/metrics.md.

    Args:
        fleet: the finished models.
        membership: who is a member of what.
        seen: the fleet, attacked.
        compared: the attack whose members are distinguished.
        labels: the classes of all examples; None if there are none.
        resamples: the number of bootstrap resamples.
        seed: what the bootstrap depends on.
    """
    kept = np.flatnonzero(fleet.finite)
    where = np.ix_(kept, membership.evaluated)
    return slices_of_scores(
        seen.scores,
        seen.membership,
        compared,
        labels=None if labels is None else labels[membership.evaluated],
        confidence=out_confidence(
            fleet.confidence[:, 0][where],
            membership.matrix[where],
            np.searchsorted(kept, seen.targets),
        ),
        resamples=resamples,
        seed=seed,
    )


def slices_of_scores(
    scores: Mapping[str, Float[np.ndarray, "targets examples"]],
    membership: Bool[np.ndarray, "targets examples"],
    compared: str,
    *,
    labels: Int[np.ndarray, " examples"] | None,
    confidence: Float[np.ndarray, "targets examples"] | None,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Members that the compared attack finds, by slice, and the agreement of the attacks.

    Args:
        scores: those of each attack.
        membership: who is a member of which target.
        compared: the attack whose members are distinguished.
        labels: the examples' classes; None if unknown.
        confidence: how confident the OUT models are of each example; NaN where there are none.
        resamples: the number of bootstrap resamples.
        seed: what the bootstrap depends on.

    Returns:
        The keys that docs/metrics.md lists; None where the sample cannot tell.
    """
    draws: dict[str, Any] = {"resamples": resamples, "seed": seed}
    found: dict[str, Any] = dict.fromkeys(
        ("roc", "calibrated", "per_class", "per_decile", "agreement", "stability")
    )
    if compared in scores:
        own = scores[compared]
        if len(own) > 1:
            by_cut = calibrated_metrics(own, membership, **draws)
            found["calibrated"] = {name: one.to_json() for name, one in by_cut.items()}
        found["roc"] = roc_band(own, membership, **draws).to_json()
        parts = {}
        if labels is not None:
            parts["per_class"] = labels[None]
        if confidence is not None and np.isfinite(confidence).any():
            parts["per_decile"] = deciles(confidence)
        for name, which in parts.items():
            sliced = sliced_metrics(own, membership, which, **draws)
            found[name] = [part.to_json() for part in sliced]
    if scores and FPR * (~membership).sum() >= 1:
        found["agreement"] = {
            "fpr": FPR,
            **agreement(scores, membership, fpr=FPR, **draws).to_json(),
        }
        found["stability"] = {
            name: stability(own, membership, fpr=FPR, **draws).to_json()
            for name, own in scores.items()
        }
    return found
