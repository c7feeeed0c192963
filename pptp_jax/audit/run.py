"""Running an audit by canaries: train fleets, guess who was there, bound ε from below."""

import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from pptp_jax import __version__
from pptp_jax.audit.canaries import CanaryAudit, Planted, with_absence
from pptp_jax.audit.jax_privacy_auditor import jax_privacy_auditor
from pptp_jax.audit.many_runs import epsilon_in_many_runs
from pptp_jax.audit.one_run import epsilon_in_one_run
from pptp_jax.files import write_arrays, write_json
from pptp_jax.metrics import mean_over
from pptp_jax.models import Variables
from pptp_jax.signals import Signals, collect
from pptp_jax.study.config import describe
from pptp_jax.study.guarantee import guarantee
from pptp_jax.training import Arrays, Progress, Recipe, train_fleet

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy")

OnProgress = Callable[[Recipe, Progress], None]


def run_canaries(
    audit: CanaryAudit,
    out: Path,
    *,
    on_progress: OnProgress = lambda recipe, progress: None,
) -> dict[str, Any]:
    """Trains each recipe's runs, and bounds its ε from below in one run and in many.

    Args:
        audit: the audit.
        out: the directory, made where it is missing: `audit.json` and `scores/`.
        on_progress: is told after each epoch.

    Returns:
        The content of `audit.json`.

    Raises:
        ValueError: if the audit does not fit its data, or training diverged in every run.
    """
    began = time.monotonic()
    planted = audit.plant()
    delta = 1 / (10 * planted.places) if audit.delta is None else audit.delta
    rows = []
    for recipe in audit.recipes:
        scores, correct, finite = _asked(audit, planted, recipe, partial(on_progress, recipe))
        if not finite.any():
            raise ValueError(f"{recipe.slug} diverged in every run: nothing is left to audit")
        arrays = {"scores": scores, "present": planted.present, "finite": finite}
        write_arrays(out / "scores" / f"{recipe.slug}.npz", arrays)
        row = _row(audit, planted, recipe, delta, scores[finite], planted.present[finite])
        accuracy = mean_over(correct[finite], np.ones_like(correct[finite]), seed=audit.seed)
        row["test_accuracy"] = accuracy._asdict()
        row["diverged"] = np.flatnonzero(~finite).tolist()
        rows.append(row)
    results = {
        "audit": audit.name,
        "config": describe(audit),
        "data": {"name": planted.data.name, "fingerprint": planted.data.fingerprint},
        "canaries": audit.canaries,
        "places": planted.places,
        "runs": audit.runs,
        "delta": delta,
        "confidence": audit.confidence,
        "seed": audit.seed,
        "versions": {"python": platform.python_version(), "pptp-jax": __version__}
        | {package: version(package) for package in PACKAGES},
        "device": str(jax.devices()[0].device_kind),
        "seconds": round(time.monotonic() - began, 1),
        "rows": rows,
    }
    write_json(out / "audit.json", results)
    return results


def _row(
    audit: CanaryAudit,
    planted: Planted,
    recipe: Recipe,
    delta: float,
    scores: Float[np.ndarray, "runs canaries"],
    present: Bool[np.ndarray, "runs canaries"],
) -> dict[str, Any]:
    each = [
        epsilon_in_one_run(*run, delta=delta, confidence=audit.confidence)
        for run in zip(scores, present, strict=True)
    ]
    # A canary whose coins all but agree has no two runs of either kind.
    told = np.minimum(present.sum(axis=0), (~present).sum(axis=0)) >= 2
    many = epsilon_in_many_runs(
        scores[:, told],
        present[:, told],
        delta=delta,
        confidence=audit.confidence,
        seed=audit.seed,
    )
    try:
        found = guarantee(recipe, audit.model, planted.places, audit.batch_size)
        accounted = None if found is None else asdict(found)
    except ImportError:
        accounted = None
    return {
        "recipe": recipe.name,
        "slug": recipe.slug,
        "accounted": accounted,
        "one_run": asdict(each[0]),
        "each_run": [bound.epsilon for bound in each],
        "many_runs": asdict(many),
        "jax_privacy": _theirs(scores[0], present[0], delta, 1 - audit.confidence),
    }


def _theirs(
    scores: Float[np.ndarray, " canaries"],
    present: Bool[np.ndarray, " canaries"],
    delta: float,
    significance: float,
) -> dict[str, float] | None:
    """What the auditor of jax_privacy finds in the same run; None if it is not installed."""
    try:
        auditor = jax_privacy_auditor(scores, present)
    except ImportError:
        return None
    if delta == 0:  # refused there
        return None
    return {
        "one_run": float(auditor.epsilon_one_run(significance, delta)),
        "one_run_fdp": float(auditor.epsilon_one_run_fdp(significance, delta)),
    }


class _Asked(NamedTuple):
    """What the runs of a recipe answer.

    Attributes:
        confidence: φ of each canary's wrong label.
        correct: who is right on what was held out.
        finite: who did not diverge.
    """

    confidence: Float[np.ndarray, "runs canaries"]
    correct: Bool[np.ndarray, "runs held_out"]
    finite: Bool[np.ndarray, " runs"]


def _asked(
    audit: CanaryAudit,
    planted: Planted,
    recipe: Recipe,
    on_progress: Callable[[Progress], None],
) -> _Asked:
    asked = planted.asked()

    def signals(variables: Variables, key: Key[Array, ""], data: Arrays) -> Signals:
        return collect(audit.model, variables, data, release=recipe.release, key=key)

    take = jax.jit(jax.vmap(signals, in_axes=(0, 0, None)))
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(audit.seed)))
    groups = []
    for group in train_fleet(
        audit.model,
        with_absence(recipe),
        planted.arrays(),
        planted.indices(),
        optimizer=audit.optimizer,
        batch_size=audit.batch_size,
        seed=audit.seed,
        on_progress=on_progress,
    ):
        seen = take(group.variables, keys(jnp.array(group.models)), asked)
        confidence = np.asarray(seen.confidence[:, 0, : audit.canaries])
        correct = np.asarray(seen.correct[:, audit.canaries :])
        finite = group.finite & np.isfinite(confidence).all(axis=1)
        groups.append(_Asked(confidence, correct, finite))
    return _Asked(*map(np.concatenate, zip(*groups, strict=True)))
