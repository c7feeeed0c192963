"""Run an audit by canaries: train fleets, guess membership, bound ε from below."""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pptp_jax.audit.canaries import CanaryAudit, Planted
from pptp_jax.audit.canary_answers import CanaryAnswers, canary_answers
from pptp_jax.audit.found_bounds import found_bounds
from pptp_jax.audit.gradient_answers import gradient_answers
from pptp_jax.audit.gradient_canaries import GradientCanaryAudit, PlantedGradients
from pptp_jax.audit.planted_secrets import PlantedSecrets
from pptp_jax.audit.readme import canaries_readme
from pptp_jax.audit.secret_answers import PROBABILITY, by_repetitions, exposures, secret_answers
from pptp_jax.audit.text_canaries import TextCanaryAudit
from pptp_jax.fleets import Runtime
from pptp_jax.metrics import masked_mean
from pptp_jax.storage.files import sweep, write_arrays, write_json, write_text
from pptp_jax.storage.kinds import check_kind
from pptp_jax.storage.lock import held
from pptp_jax.storage.provenance import provenance
from pptp_jax.storage.record import describe
from pptp_jax.study.standardize import in_units_of
from pptp_jax.training import Recipe
from pptp_jax.training.single_precision import in_single_precision
from pptp_jax.validation import Refused

PACKAGES = ("flax", "optax", "numpy", "scipy")
Audit = CanaryAudit | GradientCanaryAudit | TextCanaryAudit
# What a recipe's row of the results and its file of scores are made of.
Measured = tuple[dict[str, Any], dict[str, np.ndarray]]


@in_single_precision
def run_canaries(
    audit: Audit,
    out: Path,
    *,
    runtime: Runtime | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Trains each recipe's runs, and bounds its ε from below in one run and in many.

    Of text canaries it also measures exposure and extraction, by repetitions.

    Args:
        audit: the audit.
        out: the directory, made where it is missing: `manifest.json` and `README.md`, written
            before the first model is trained, `scores/`, `audit.json`, which is there when all of
            it is, and `fleets/`, from which an interrupted audit goes on.
        runtime: how the runs are executed; None executes them in this process.
        command: what a person types to get the same numbers, to be written down.

    Returns:
        The content of `audit.json`.

    Raises:
        ValueError: if the audit does not fit its data, training diverged in every run, another
            process writes into `out`, or `out` holds another kind of run or another audit.
        KeyboardInterrupt: if the runtime says stop, when what is being trained has been saved.
    """
    check_kind(out, "canaries", audit.name)
    with held(out):
        sweep(out)
        return _run(audit, out, Runtime() if runtime is None else runtime, command)


def _run(audit: Audit, out: Path, runtime: Runtime, command: str | None) -> dict[str, Any]:
    began = time.monotonic()
    planted = audit.plant()
    if not isinstance(audit, TextCanaryAudit):
        audit = replace(audit, model=in_units_of(audit.model, planted.data, audit.standardize))
    delta = 1 / (10 * planted.places) if audit.delta is None else audit.delta
    # It vouches for all that lies beside it.
    (out / "audit.json").unlink(missing_ok=True)
    manifest = _manifest(audit, planted, delta, command)
    write_json(out / "manifest.json", {"kind": "canaries"} | manifest)
    write_text(out / "README.md", canaries_readme(audit, planted.places, command))
    rows = []
    for recipe in audit.recipes:
        row, arrays = _measured(audit, planted, recipe, delta, out / "fleets", runtime)
        write_arrays(out / "scores" / f"{recipe.slug}.npz", arrays)
        rows.append(row)
    results = manifest | {"seconds": round(time.monotonic() - began, 1), "rows": rows}
    write_json(out / "audit.json", results)
    return results


def _manifest(
    audit: Audit,
    planted: Planted | PlantedGradients | PlantedSecrets,
    delta: float,
    command: str | None,
) -> dict[str, Any]:
    """The manifest of an audit, written before its first model is trained."""
    known = {
        "audit": audit.name,
        "command": command,
        "config": describe(audit),
        "data": {"name": planted.data.name, "fingerprint": planted.data.fingerprint},
        "canaries": planted.present.shape[1],
        "gradients": isinstance(audit, GradientCanaryAudit),
        "places": planted.places,
        "runs": audit.runs,
        "delta": delta,
        "confidence": audit.confidence,
        "seed": audit.seed,
    }
    if isinstance(audit, TextCanaryAudit):
        assert isinstance(planted, PlantedSecrets)
        known["utility"] = audit.model.task.utility_name
        known["secrets"] = {
            "template": audit.secrets.text((0,) * audit.secrets.length, label="{label}"),
            "bits": math.log2(audit.secrets.space),
            "exact": planted.compared.exact,
            "fillings": planted.compared.fillings.shape[1],
            "tries": audit.tries,
            "probability": PROBABILITY,
        }
    return known | provenance(*PACKAGES)


def _measured(
    audit: Audit,
    planted: Planted | PlantedGradients | PlantedSecrets,
    recipe: Recipe,
    delta: float,
    fleets: Path,
    runtime: Runtime,
) -> Measured:
    """The row and the scores of a recipe, by the kind of its audit."""
    if isinstance(audit, TextCanaryAudit):
        assert isinstance(planted, PlantedSecrets)
        return _of_secrets(audit, planted, recipe, delta, fleets, runtime)
    if isinstance(audit, GradientCanaryAudit):
        assert isinstance(planted, PlantedGradients)
        answers = gradient_answers(audit, planted, recipe, fleets, runtime)
    else:
        assert isinstance(planted, Planted)
        answers = canary_answers(audit, planted, recipe, fleets, runtime)
    return _of_examples(audit, planted, recipe, delta, answers)


def _of_examples(
    audit: CanaryAudit | GradientCanaryAudit,
    planted: Planted | PlantedGradients,
    recipe: Recipe,
    delta: float,
    answers: CanaryAnswers,
) -> Measured:
    """The row and the scores of canaries that are examples, with wrong labels or gradients."""
    finite = answers.finite
    _check_finite(recipe, finite)
    scores, present = answers.scores[finite], planted.present[finite]
    row = found_bounds(audit, planted.places, recipe, delta, scores, present)
    good = answers.utility[finite]
    utility = masked_mean(good, np.ones(good.shape, bool), seed=audit.seed)
    row |= {"test_accuracy": utility._asdict(), "diverged": np.flatnonzero(~finite).tolist()}
    return row, {"scores": answers.scores, "present": planted.present, "finite": finite}


def _of_secrets(
    audit: TextCanaryAudit,
    planted: PlantedSecrets,
    recipe: Recipe,
    delta: float,
    fleets: Path,
    runtime: Runtime,
) -> Measured:
    """The row and the scores of text canaries."""
    every = secret_answers(audit, planted, recipe, fleets, runtime)
    finite = every.finite
    _check_finite(recipe, finite)
    answers, present = every.of_finite(), planted.present[finite]
    once = planted.repetitions == 1
    scores = answers.log_prob[:, once]
    row = found_bounds(audit, planted.places, recipe, delta, scores, present[:, once])
    found = exposures(audit, planted, answers)
    there = np.ones(answers.utility.shape, bool)
    row |= {
        "utility": masked_mean(answers.utility, there, seed=audit.seed)._asdict(),
        "diverged": np.flatnonzero(~finite).tolist(),
        "most_bits": found.most,
        "exposure": by_repetitions(audit, planted, answers, present, found),
    }
    bits = np.full(every.log_prob.shape, np.nan)
    bits[finite] = found.bits
    arrays = {
        "scores": every.log_prob,
        "fillings": every.fillings.astype(np.float32),
        "exposure": bits,
        "greedy": every.greedy,
        "repetitions": planted.repetitions,
        "present": planted.present,
        "finite": finite,
    }
    return row, arrays


def _check_finite(recipe: Recipe, finite: np.ndarray) -> None:
    if not finite.any():
        raise Refused(f"{recipe.slug} diverged in every run: nothing is left to audit")
