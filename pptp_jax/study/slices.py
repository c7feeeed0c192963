"""What is told of a fleet beyond its rates: among whom, and by which attacks alike."""

from typing import Any

import numpy as np

from pptp_jax.data import Dataset, Membership
from pptp_jax.metrics import (
    agreement,
    calibrated_metrics,
    deciles,
    out_confidence,
    roc_band,
    sliced_metrics,
    stability,
)
from pptp_jax.study.config import Study
from pptp_jax.study.fleets import Fleet
from pptp_jax.study.measure import Attacked

# At 1 % attacks find enough members for a comparison, and few enough for it to tell.
FPR = 0.01


def slices(
    study: Study, data: Dataset, fleet: Fleet, membership: Membership, seen: Attacked
) -> dict[str, Any]:
    """What joins a row of the results, by the keys that docs/metrics.md lists.

    They are None where the sample cannot tell.
    """
    draws: dict[str, Any] = {"resamples": study.resamples, "seed": study.seed}
    found: dict[str, Any] = dict.fromkeys(
        ("roc", "calibrated", "per_class", "per_decile", "agreement", "stability")
    )
    truth = seen.membership
    if study.compared in seen.scores:
        scores = seen.scores[study.compared]
        kept = np.flatnonzero(fleet.finite)
        where = np.ix_(kept, membership.evaluated)
        confidence = out_confidence(
            fleet.confidence[:, 0][where],
            membership.matrix[where],
            np.searchsorted(kept, seen.targets),
        )
        if len(scores) > 1:
            by_cut = calibrated_metrics(scores, truth, **draws)
            found["calibrated"] = {name: one.to_json() for name, one in by_cut.items()}
        labels = data.y[membership.evaluated][None]
        found["roc"] = roc_band(scores, truth, **draws).to_json()
        for name, which in (("per_class", labels), ("per_decile", deciles(confidence))):
            found[name] = [part.to_json() for part in sliced_metrics(scores, truth, which, **draws)]
    if seen.scores and FPR * (~truth).sum() >= 1:
        found["agreement"] = {
            "fpr": FPR,
            **agreement(seen.scores, truth, fpr=FPR, **draws).to_json(),
        }
        found["stability"] = {
            name: stability(scores, truth, fpr=FPR, **draws).to_json()
            for name, scores in seen.scores.items()
        }
    return found
