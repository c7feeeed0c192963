"""Running an audit by canaries: train fleets, guess who was there, bound ε from below."""

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.audit.canaries import CanaryAudit, Planted
from pptp_jax.audit.fleet import canary_answers
from pptp_jax.audit.jax_privacy_auditor import jax_privacy_auditor
from pptp_jax.audit.many_runs import epsilon_in_many_runs
from pptp_jax.audit.one_run import epsilon_in_one_run
from pptp_jax.audit.readme import canaries_readme
from pptp_jax.fleets import Runtime
from pptp_jax.metrics import masked_mean
from pptp_jax.storage.files import sweep, write, write_arrays, write_json
from pptp_jax.storage.kinds import check_kind
from pptp_jax.storage.lock import held
from pptp_jax.storage.provenance import provenance
from pptp_jax.storage.record import describe
from pptp_jax.study.guarantee import guarantee
from pptp_jax.study.standardize import in_units_of
from pptp_jax.training import Recipe
from pptp_jax.training.single_precision import in_single_precision
from pptp_jax.validation import Refused

PACKAGES = ("flax", "optax", "numpy", "scipy")


@in_single_precision
def run_canaries(
    audit: CanaryAudit,
    out: Path,
    *,
    runtime: Runtime | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Trains each recipe's runs, and bounds its ε from below in one run and in many.

    Args:
        audit: the audit.
        out: the directory, made where it is missing: `manifest.json` and `README.md`, written
            before the first model is trained, `scores/`, `audit.json`, which is there when all of
            it is, and `fleets/`, from which an interrupted audit goes on.
        runtime: how the runs are worked off; None works them off in this process, as usual.
        command: what a person types to get the same numbers, to be written down.

    Returns:
        The content of `audit.json`.

    Raises:
        ValueError: if the audit does not fit its data, training diverged in every run, another
            process writes into `out`, or `out` holds another kind of run.
        KeyboardInterrupt: if the runtime says stop, when what is being trained has been saved.
    """
    check_kind(out, "canaries")
    with held(out):
        sweep(out)
        return _run(audit, out, Runtime() if runtime is None else runtime, command)


def _run(audit: CanaryAudit, out: Path, runtime: Runtime, command: str | None) -> dict[str, Any]:
    began = time.monotonic()
    planted = audit.plant()
    audit = replace(audit, model=in_units_of(audit.model, planted.data, audit.standardize))
    delta = 1 / (10 * planted.places) if audit.delta is None else audit.delta
    # It vouches for all that lies beside it.
    (out / "audit.json").unlink(missing_ok=True)
    manifest = _manifest(audit, planted, delta, command)
    write_json(out / "manifest.json", {"kind": "canaries"} | manifest)
    readme = canaries_readme(audit, planted.places, command).encode()
    write(out / "README.md", lambda file: file.write(readme))
    rows = []
    for recipe in audit.recipes:
        scores, correct, finite = canary_answers(audit, planted, recipe, out / "fleets", runtime)
        if not finite.any():
            raise Refused(f"{recipe.slug} diverged in every run: nothing is left to audit")
        arrays = {"scores": scores, "present": planted.present, "finite": finite}
        write_arrays(out / "scores" / f"{recipe.slug}.npz", arrays)
        row = _row(audit, planted, recipe, delta, scores[finite], planted.present[finite])
        accuracy = masked_mean(correct[finite], np.ones_like(correct[finite]), seed=audit.seed)
        row["test_accuracy"] = accuracy._asdict()
        row["diverged"] = np.flatnonzero(~finite).tolist()
        rows.append(row)
    results = manifest | {"seconds": round(time.monotonic() - began, 1), "rows": rows}
    write_json(out / "audit.json", results)
    return results


def _manifest(
    audit: CanaryAudit, planted: Planted, delta: float, command: str | None
) -> dict[str, Any]:
    """What is known of an audit before its first model is trained."""
    return {
        "audit": audit.name,
        "command": command,
        "config": describe(audit),
        "data": {"name": planted.data.name, "fingerprint": planted.data.fingerprint},
        "canaries": audit.canaries,
        "places": planted.places,
        "runs": audit.runs,
        "delta": delta,
        "confidence": audit.confidence,
        "seed": audit.seed,
    } | provenance(*PACKAGES)


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
    except (ImportError, Refused):
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
