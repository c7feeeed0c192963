"""The table and the figure of all attacks on the same models."""

from pathlib import Path

import numpy as np
from rich.table import Table

from pptp_jax.attacks.title import attack_name, known_attack
from pptp_jax.evaluation.impossible import by_reason
from pptp_jax.evaluation.results import RunResults
from pptp_jax.metrics import roc
from pptp_jax.report.figures import draw_rocs
from pptp_jax.report.plain_text import WIDE, plain_text
from pptp_jax.report.screen import blind_lines
from pptp_jax.report.simple_table import simple_table
from pptp_jax.report.table import EXPLAINED, cell

_METRICS = {
    "AUC": "auc",
    "balanced accuracy": "balanced_accuracy",
    "TPR@10%": "tpr@0.1",
    "TPR@1%": "tpr@0.01",
    "TPR@0.1%": "tpr@0.001",
}
# Those of a terminal.
_BRIEF = ("AUC", "TPR@1%")


def render_attacks(results: RunResults, width: int = WIDE) -> str:
    """One line an attack: what the attacker needs, and what is achieved.

    Args:
        results: of one row.
        width: that of a line; below 200 there are fewer columns.

    Returns:
        Warnings, the table with a heading, and why each other attack was not possible, as plain
        text.
    """
    [row] = results.rows
    attacks = {name: found for name, found in row.attacks.items() if found.auc.value is not None}
    shown = {
        title: metric
        for title, metric in _METRICS.items()
        if (width >= WIDE or title in _BRIEF)
        and all(metric in found.metrics for found in attacks.values())
    }
    table = simple_table(("attack", "access"), ("IN", "OUT", *shown))
    for name, found in attacks.items():
        known = known_attack(name)
        needs = (known.access, known.min_in_shadows, known.min_out_shadows) if known else ("?",) * 3
        table.add_row(
            attack_name(name),
            *(str(need or "-") for need in needs),
            *(cell(found[metric]) for metric in shown.values()),
        )
    members = "" if results.members is None else f", {results.members} members each"
    parts: list[Table | str] = [f"warning: {warning}" for warning in row.warnings]
    parts.append(
        f"{results.study}: {results.models} models, {results.targets} of them attacked, "
        f"on {results.data['examples']} examples{members}"
    )
    if row.utility.value is not None:
        parts.append(
            f"{results.utility_name}: {cell(row.train_utility)} on members, "
            f"{cell(row.utility)} on non-members"
        )
    parts.append(table)
    parts.append(f"IN, OUT: the shadows of either kind that it needs of each example; {EXPLAINED}")
    if results.screen:
        parts.append(f"a look at the model alone: {results.screen['sentence']}")
    # Where it warns, it is among the warnings above.
    parts += blind_lines(results.blind)[bool(results.blind and results.blind["found"]) :]
    parts += [f"not possible: {reason}" for reason in by_reason(row.notes)]
    return plain_text(*parts, width=width)


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
