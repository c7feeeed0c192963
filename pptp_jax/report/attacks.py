"""The table and the figure of all attacks on the same models."""

from io import StringIO
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from pptp_jax.attacks.title import attack_name, known_attack
from pptp_jax.evaluation.impossible import by_reason
from pptp_jax.evaluation.results import RunResults
from pptp_jax.metrics import roc
from pptp_jax.report.figures import draw_rocs
from pptp_jax.report.screen import blind_lines
from pptp_jax.report.table import EXPLAINED, cell

_METRICS = {
    "AUC": "auc",
    "balanced accuracy": "balanced_accuracy",
    "TPR@10%": "tpr@0.1",
    "TPR@1%": "tpr@0.01",
    "TPR@0.1%": "tpr@0.001",
}


def render_attacks(results: RunResults) -> str:
    """One line an attack: what the attacker needs, and what is achieved.

    Args:
        results: of one row.

    Returns:
        Warnings, the table with a heading, and why each other attack was not possible, as plain
        text.
    """
    [row] = results.rows
    attacks = {name: found for name, found in row.attacks.items() if found.auc.value}
    shown = {
        title: metric
        for title, metric in _METRICS.items()
        if all(metric in found.metrics for found in attacks.values())
    }
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("attack", "access"):
        table.add_column(column, no_wrap=True)
    for column in ("IN", "OUT", *shown):
        table.add_column(column, justify="right", no_wrap=True)
    for name, found in attacks.items():
        known = known_attack(name)
        needs = (known.access, known.min_in_shadows, known.min_out_shadows) if known else "???"
        table.add_row(
            attack_name(name),
            *(str(need or "-") for need in needs),
            *(cell(found[metric]) for metric in shown.values()),
        )
    members = "" if results.members is None else f", {results.members} members each"
    text = StringIO()
    console = Console(file=text, width=200, color_system=None)
    for warning in row.warnings:
        console.print(f"warning: {warning}", markup=False)
    console.print(
        f"{results.study}: {results.models} models, {results.targets} of them attacked, "
        f"on {results.data['examples']} examples{members}",
        markup=False,
    )
    if row.utility.value is not None:
        console.print(
            f"{results.utility_name}: {cell(row.train_utility)} on members, "
            f"{cell(row.utility)} on non-members"
        )
    console.print(table)
    console.print(f"IN, OUT: the shadows of either kind that it needs of each example; {EXPLAINED}")
    if results.screen:
        console.print(f"a look at the model alone: {results.screen['sentence']}", markup=False)
    # Where it warns, it is among the warnings above.
    for line in blind_lines(results.blind)[bool(results.blind and results.blind["found"]) :]:
        console.print(line, markup=False)
    for reason in by_reason(row.notes):
        console.print(f"not possible: {reason}", markup=False)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def draw_attack_rocs(results: RunResults, out: Path) -> Path:
    """Draws the ROCs of all attacks of one row on log axes.

    Args:
        results: of one row.
        out: the run's directory, which holds the scores, and where the picture goes.

    Returns:
        The picture's path.
    """
    [row] = results.rows
    with np.load(out / "scores" / f"{row.slug}.npz") as scores:
        curves = {
            attack_name(name): roc(scores[name], scores["membership"]) for name in row.attacks
        }
    return draw_rocs(curves, out / "roc.png", results.study)
