"""Two runs beside each other, for a terminal."""

import json
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.schema import typed
from pptp_jax.report.comparison import render_comparison
from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.table import EXPLAINED, cell


def render_runs(found: Mapping[str, Any]) -> str:
    """The recipes of both runs, in what they are set differently, and the verdicts.

    Args:
        found: what `pptp_jax.evaluation.compare_runs.compare_runs` gives.

    Returns:
        The tables, as plain text.
    """
    found = typed(found)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("run")
    table.add_column("recipe", no_wrap=True)
    metrics = {"utility": f"test {found['measure']}", "auc": "AUC"}
    metrics |= {"tpr@0.01": "TPR@1%", "tpr@0.001": "TPR@0.1%"}
    for title in metrics.values():
        table.add_column(title, justify="right", no_wrap=True)
    for row in found["rows"]:
        cells = ("n/a" if row[key] is None else cell(row[key]) for key in metrics)
        table.add_row(row["run"], row["slug"], *cells)
    settings = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("what differs", "a", "b"):
        settings.add_column(column)
    for setting in found["config"]:
        settings.add_row(setting["key"], *(json.dumps(setting[side]) for side in ("a", "b")))
    sides = f"a: {found['a']}\nb: {found['b']}"
    explained = f"AUC, TPR: of {attack_name(found['attack'])}; {EXPLAINED}"
    lines = [plain_text(sides, table, explained, *([settings] if found["config"] else []))]
    if found["unmatched"]:
        lines.append(f"no comparison at equal attack strength: {found['unmatched']}")
    elif found["comparisons"]:
        lines.append(render_comparison(found["comparisons"]))
    lines += [f"not compared: {sentence}" for sentence in found["left_out"]]
    return "\n".join(lines)
