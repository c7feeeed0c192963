"""The table of accuracies on disturbed inputs, for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from pptp_jax.evaluation.results import RecipeResult, RunResults
from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.table import cell

KINDS = {
    "clean": "clean",
    "fgsm": "FGSM",
    "transfer": "transfer",
    "worst": "all attacks",
    "noise": "noise",
    "gaussian_noise": "noise, severity",
    "blur": "blur",
    "contrast": "contrast",
    "jpeg": "JPEG",
}
MEASURES = {"linear_distance": "distance, linear", "distance": "distance"}


def trial_name(trial: Mapping[str, Any]) -> str:
    """The title of a trial's column.

    Examples:
        >>> trial_name({"kind": "pgd", "norm": "l2", "size": 0.5, "steps": 40})
        'PGD-40 L2 0.5'
        >>> trial_name({"kind": "clean", "norm": None, "size": 0.0, "steps": None})
        'clean'
    """
    kind = KINDS.get(trial["kind"]) or f"PGD-{trial['steps']}"
    parts = [kind, "L2" if trial["norm"] == "l2" else ""]
    return " ".join(filter(None, [*parts, f"{trial['size']:.3g}" if trial["size"] else ""]))


def measure_name(measure: Mapping[str, Any]) -> str:
    """The title of a measure's column.

    Examples:
        >>> measure_name({"name": "curvature_1"}), measure_name({"name": "distance"})
        ('curvature 1', 'distance')
    """
    return MEASURES.get(measure["name"]) or measure["name"].replace("_", " ")


def measured(rows: Sequence[RecipeResult]) -> list[RecipeResult]:
    """The rows of the results in which robustness was measured."""
    return [row for row in rows if row.robustness]


def render_robustness(results: RunResults) -> str:
    """One line a recipe: its accuracy on perturbed inputs; empty if it was not measured.

    Of several numbers of steps the largest stands for all: a terminal is not wide enough.

    Args:
        results: of a run.

    Returns:
        The table with its warnings, as plain text.

    Examples:
        >>> render_robustness(RunResults(rows=(RecipeResult(slug="undefended_3"),)))
        ''
    """
    rows = measured(results.rows)
    if not rows:
        return ""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("accuracy on disturbed inputs", no_wrap=True)
    for trial in _longest(rows[0].robustness["trials"]):
        table.add_column(trial_name(trial), justify="right")
    for measure in rows[0].robustness.get("measures", ()):
        table.add_column(measure_name(measure), justify="right")
    for row in rows:
        shown = [trial["accuracy"] for trial in _longest(row.robustness["trials"])]
        shown += [measure["mean"] for measure in row.robustness.get("measures", ())]
        table.add_row(row.slug, *map(cell, shown))
    warnings = [f"warning: {row.slug}: {one}" for row in rows for one in row.robustness["warnings"]]
    return plain_text(table, *warnings)


def _longest(trials: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """All but those of PGD that another with more steps follows."""
    kinds = [*(trial["kind"] for trial in trials[1:]), None]
    return [t for t, after in zip(trials, kinds, strict=True) if (t["kind"], after) != ("pgd",) * 2]
