"""The lower bounds on ε of one recipe, beside its accounted ε."""

from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.audit.audit_settings import AuditSettings
from pptp_jax.audit.bound import MECHANISMS
from pptp_jax.audit.gradient_canaries import GradientCanaryAudit
from pptp_jax.audit.jax_privacy_auditor import jax_privacy_auditor
from pptp_jax.audit.many_runs import epsilon_in_many_runs
from pptp_jax.audit.one_run import epsilon_in_one_run
from pptp_jax.study.guarantee import guarantee
from pptp_jax.training import Recipe
from pptp_jax.validation import Refused


def found_bounds(
    audit: AuditSettings,
    places: int,
    recipe: Recipe,
    delta: float,
    scores: Float[np.ndarray, "runs canaries"],
    present: Bool[np.ndarray, "runs canaries"],
) -> dict[str, Any]:
    """The accounted ε, and the lower bounds from one run, from each run and from many.

    Args:
        audit: the audit, with its model as it was trained.
        places: how many examples a run's batches are dealt from.
        recipe: which of its recipes.
        delta: δ.
        scores: of the canaries, in the runs that did not diverge.
        present: in which of these runs each canary was.
    """
    each = [
        epsilon_in_one_run(*run, delta=delta, confidence=audit.confidence)
        for run in zip(scores, present, strict=True)
    ]
    # Each half of the runs needs one with the canary and one without it.
    kept = np.minimum(present.sum(axis=0), (~present).sum(axis=0)) >= 2
    if not kept.any():
        raise Refused(
            f"{recipe.slug}: in the {len(present)} runs that did not diverge no canary was present "
            "twice and absent twice: take more runs or more canaries"
        )
    many = epsilon_in_many_runs(
        scores[:, kept],
        present[:, kept],
        delta=delta,
        confidence=audit.confidence,
        seed=audit.seed,
    )
    try:
        found = guarantee(recipe, audit.model, places, audit.batch_size)
        accounted = None if found is None else asdict(found)
    except (ImportError, Refused):
        accounted = None
    row = {
        "recipe": recipe.name,
        "slug": recipe.slug,
        "accounted": accounted,
        "one_run": asdict(each[0]),
        "each_run": [bound.epsilon for bound in each],
        "many_runs": asdict(many),
        "jax_privacy": _theirs(scores[0], present[0], delta, 1 - audit.confidence),
    }
    if isinstance(audit, GradientCanaryAudit) and delta > 0:
        row["pooled"] = _pooled(scores, present, delta, audit.confidence)
    return row


def _pooled(
    scores: Float[np.ndarray, "runs canaries"],
    present: Bool[np.ndarray, "runs canaries"],
    delta: float,
    confidence: float,
) -> dict[str, Any]:
    """The bounds of all runs and canaries together, for any mechanism and for a Gaussian one.

    Canaries that are gradients are exchangeable, and each weight has noise of its own: a run with
    many of them counts as many runs with one.
    """
    return {
        mechanism: asdict(
            epsilon_in_many_runs(
                scores.ravel(),
                present.ravel(),
                delta=delta,
                confidence=confidence,
                threshold="ranks",
                mechanism=mechanism,
            )
        )
        for mechanism in MECHANISMS
    }


def _theirs(
    scores: Float[np.ndarray, " canaries"],
    present: Bool[np.ndarray, " canaries"],
    delta: float,
    significance: float,
) -> dict[str, float] | None:
    """The bound of jax_privacy's auditor on the same run; None if there is none.

    It is not installed, or refuses the run: without canaries on either side, or with a δ of 0.
    """
    if present.all() or not present.any():
        return None
    try:
        auditor = jax_privacy_auditor(scores, present)
    except ImportError:
        return None
    if delta == 0:
        return None
    return {
        "one_run": float(auditor.epsilon_one_run(significance, delta)),
        "one_run_fdp": float(auditor.epsilon_one_run_fdp(significance, delta)),
    }
