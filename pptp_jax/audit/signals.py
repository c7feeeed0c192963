"""Audit models that were trained elsewhere, by their signals."""

import hashlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pptp_jax.attacks import ATTACKS, Attack, attack_of
from pptp_jax.attacks.signal_registry import axes_of
from pptp_jax.audit.audit_files import write_audit
from pptp_jax.audit.audit_report import AuditReport
from pptp_jax.audit.blind_report import blind_report
from pptp_jax.audit.earlier_report import check_earlier_report
from pptp_jax.audit.other_questions import other_questions
from pptp_jax.audit.screen import screen_given
from pptp_jax.audit.user_signals import Given, given_signals
from pptp_jax.evaluation import AttackResults, attack
from pptp_jax.evaluation.combination import Combined, combined
from pptp_jax.evaluation.owners import by_owner
from pptp_jax.evaluation.results import RecipeResult, RunResults
from pptp_jax.evaluation.schema import typed
from pptp_jax.evaluation.slices import slices_of_scores
from pptp_jax.evaluation.warnings import too_few, unlearned
from pptp_jax.metrics import masked_mean, out_confidence
from pptp_jax.storage.kinds import check_kind
from pptp_jax.storage.provenance import provenance
from pptp_jax.training.single_precision import in_single_precision
from pptp_jax.validation import Refused, at_least, given, python_number, several

PACKAGES = ("numpy", "scipy")
# The attack that stands for all others where one must: the first of these that was possible.
_FOREMOST = ("lira_online", "rmia_online", "lira_offline", "rmia_offline", "loss")


@in_single_precision
def audit_signals(
    signals: Mapping[str, Shaped[np.ndarray, "..."]],
    membership: Bool[np.ndarray, "*models examples"],
    labels: Int[np.ndarray, " examples"] | None = None,
    *,
    attacks: Sequence[str | Attack] = tuple(ATTACKS),
    parameters: int | None = None,
    report: AuditReport = AuditReport(),  # noqa: B008 - frozen
    resamples: int = 500,
    seed: int = 0,
    **evidence: Any,
) -> dict[str, Any]:
    """Attacks models by their signals, with every attack that these and their number permit.

    Args:
        signals: arrays by name: `logits`, `confidence` (φ) or `losses`, and others; see
            `docs/audits.md` for their shapes.
        membership: (models, examples), or (examples,) of a single model.
        labels: the examples' classes; `logits` need them.
        attacks: which attacks are tried, or their names; by default all of them.
        parameters: how many a single model has, for the look at it alone.
        report: where the report goes, and what it is called.
        resamples: the number of bootstrap resamples of targets and examples behind each interval.
        seed: what the bootstrap depends on.
        **evidence: the models that are `targets` and `shadows`, all unless they are named;
            `inputs`, the examples themselves, for attacks that learn from them and for the blind
            baseline; `owners`, whose each example is, for rates by owner. Shadows must have been
            trained as the targets were.

    Returns:
        What `results.json` holds: a study's results with one row. An attack that was not possible
        is in the row's notes, with the reason; so is why attacks were not combined. With inputs or
        labels, `blind` says whether members can be distinguished by them alone
        (`pptp_jax.data.blind_baseline`); where they can, the row has a warning.

    Raises:
        ValueError: saying what is wrong with which array, and what would be right.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> membership = rng.random((8, 200)) < 0.5
        >>> losses = rng.exponential(size=(8, 200)) * np.where(membership, 0.5, 1.0)
        >>> results = audit_signals({"losses": losses}, membership, resamples=50)
        >>> [row] = results["rows"]
        >>> row["attacks"]["loss"]["auc"]["value"] > 0.6
        True
        >>> [note for note in row["notes"] if note.startswith("entropy")]
        ['entropy: it reads logits and labels, which were not given']
    """
    began = time.monotonic()
    several(attacks=attacks)
    at_least(1, attacks=len(attacks), resamples=resamples, **given(parameters=parameters))
    at_least(0, seed=seed)
    resamples, seed = python_number(resamples), python_number(seed)
    for one in attacks:
        attack_of(one)
    out = report.directory
    if out is not None:
        check_kind(out, "signals")
    handed = given_signals(signals, membership, labels, **evidence)
    examples = handed.membership.shape[1]
    if report.ids is not None and len(report.ids) != examples:
        raise Refused(f"there are {examples} examples and {len(report.ids)} ids")
    check_earlier_report(report)
    draws: dict[str, Any] = {"resamples": resamples, "seed": seed}
    seen = attack(
        handed.signals,
        handed.membership,
        handed.labels,
        attacks,
        targets=handed.targets.tolist(),
        shadows=handed.shadows.tolist(),
        inputs=handed.inputs,
        **draws,
    )
    blind = blind_report(handed, seed=seed)
    rows, truth, scores = handed.targets, seen.membership, seen.scores
    accuracy, weak = _utility(handed, truth, **draws)
    warnings = [blind["words"]] if blind is not None and blind["found"] else []
    warnings += [*seen.warnings, *too_few(truth), *weak]
    compared = next(key for key in (*_FOREMOST, *scores) if key in scores)
    by_slice = slices_of_scores(
        scores,
        truth,
        compared,
        labels=handed.labels,
        confidence=_out_confidence(handed),
        **draws,
    )
    # Other targets whose members are known serve as well as shadows that are attacked themselves.
    apart = len(rows) == 1 or not np.isin(rows, handed.shadows).all()
    known, why = _on_shadows(handed, attacks, scores) if apart else (None, None)
    together = Combined(note=f"combined: {why}")
    if len(rows) > 1:
        together = combined(scores, truth, compared, **draws)
    elif known is not None:
        together = combined(
            *(scores, truth, compared),
            shadow_scores=known.scores,
            shadow_membership=known.membership,
            **draws,
        )
    others, said = other_questions(handed, scores, truth, compared, known, **draws)
    if handed.owners is not None:
        by_slice["owners"] = by_owner(
            scores, truth, handed.owners, handed.membership[handed.shadows], **draws
        )
        warnings += by_slice["owners"]["notes"]
    row = RecipeResult(
        slug="given",
        recipe=report.config.get("recipes", [report.name])[0],
        notes=(*seen.notes, *filter(None, [together.note]), *said),
        warnings=tuple(warnings),
        attacks=seen.results,
        **accuracy,
        **typed({**by_slice, "combined": together.record}),
    )
    members = truth.sum(axis=1)
    found = {
        "study": report.name,
        "command": report.command,
        "config": {
            **report.config,
            "signals": {key: list(array.shape) for key, array in handed.signals.items()},
            "targets": rows.tolist(),
            "shadows": handed.shadows.tolist(),
            "resamples": resamples,
        },
        "data": {
            "name": report.data,
            "examples": truth.shape[1],
            "classes": handed.signals["logits"].shape[-1] if "logits" in handed.signals else None,
            "fingerprint": _fingerprint(handed),
        },
        "models": len(handed.membership),
        "targets": len(rows),
        "members": int(members[0]) if len(set(members.tolist())) == 1 else None,
        "seed": seed,
        **provenance(*PACKAGES),
        "seconds": round(time.monotonic() - began, 1),
        "compared": compared,
        "blind": blind,
        "screen": _screen(handed, blind, parameters=parameters, **draws),
        **others,
        "queries": ["identity", *(f"query {i}" for i in range(1, _queries(handed)))],
    }
    results = RunResults(rows=(row,), **typed(found))
    if out is not None:
        write_audit(results, seen, together, handed, report)
    return results.to_json()


def _utility(
    given: Given, truth: Bool[np.ndarray, "targets examples"], **draws: Any
) -> tuple[dict[str, Any], list[str]]:
    """The accuracy on members and on others, and what a reader must know of it."""
    held = given.evidence()
    if not held.has("correct"):
        return {}, []
    correct = np.asarray(held.target_signal("correct"))[:, 0]
    found = {
        key: masked_mean(correct, chosen, **draws)
        for key, chosen in (("train_utility", truth), ("utility", ~truth))
    }
    if given.labels is None or not truth.any(axis=1).all():
        return found, []
    targets = given.targets.tolist()
    return found, unlearned(correct, truth, given.labels, found["train_utility"], targets)


def _queries(given: Given) -> int:
    """How many forms of each example the models were given."""
    counts = [
        array.shape[axes.index("queries")]
        for key, array in given.signals.items()
        if "queries" in (axes := axes_of(key))
    ]
    return max(counts, default=1)


def _screen(given: Given, blind: Mapping[str, Any] | None, **options: Any) -> dict[str, Any] | None:
    """A look at a single model whose loss is known."""
    if len(given.membership) > 1 or not given.evidence().has("log_prob"):
        return None
    return screen_given(given, blind, **options)


def _on_shadows(
    given: Given, attacks: Sequence[str | Attack], made: Collection[str]
) -> tuple[AttackResults | None, str | None]:
    """The attacks on the shadows of a single target, or why there are none."""
    shadows = np.setdiff1d(given.shadows, given.targets)
    if not len(shadows):
        return None, (
            "attacks are combined by what they find in other models whose members are known, and "
            "there is only the one: hand over shadows"
        )
    try:
        # Without the target among the shadows: its members would enter what its combiner learns.
        found = attack(
            given.signals,
            given.membership,
            given.labels,
            [one for one in attacks if attack_of(one).name in made],
            targets=shadows.tolist(),
            shadows=shadows.tolist(),
            inputs=given.inputs,
            resamples=1,
        )
    except Refused as refusal:
        return None, f"the shadows cannot be attacked themselves: {refusal}"
    return found, None


def _out_confidence(given: Given) -> Float[np.ndarray, "targets examples"] | None:
    """The mean confidence of the OUT models of each example, by all models that are given."""
    every = given._replace(targets=np.arange(len(given.membership))).evidence()
    if not every.has("confidence"):
        return None
    phi = np.asarray(every.target_signal("confidence"))[:, 0]
    return out_confidence(phi, given.membership, given.targets)


def _fingerprint(given: Given) -> str:
    digest = hashlib.sha256()
    for name, array in sorted((given.signals | {"membership": given.membership}).items()):
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
