"""Two runs beside each other, for a terminal."""

import json
from collections.abc import Mapping, Sequence
from textwrap import TextWrapper
from typing import Any

from rich import box
from rich.table import Table

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.schema import typed
from pptp_jax.report.comparison import render_comparison
from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.room import fitting
from pptp_jax.report.summary import NARROWEST, WIDEST
from pptp_jax.report.table import EXPLAINED, cell


def render_runs(found: Mapping[str, Any], width: int = WIDEST) -> str:
    """The recipes of both runs, in what they are set differently, and the verdicts.

    Args:
        found: what `pptp_jax.evaluation.compare_runs.compare_runs` gives.
        width: that of the terminal, in characters; between 80 and 100 of them are used. A rate that
            finds no room is left out.

    Returns:
        The tables, as plain text.
    """
    found, width = typed(found), min(max(width, NARROWEST), WIDEST)
    settings = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("what differs", "a", "b"):
        settings.add_column(column)
    for setting in found["config"]:
        settings.add_row(setting["key"], *(json.dumps(setting[side]) for side in ("a", "b")))
    sides = f"a: {found['a']}\nb: {found['b']}"
    table = _rows(found["rows"], found["measure"], width)
    explained = f"AUC, TPR: of {attack_name(found['attack'])}; {EXPLAINED}"
    different = [settings] if found["config"] else []
    lines = [plain_text(sides, table, explained, *different, width=width)]
    said = []
    if found["unmatched"]:
        said.append(f"no comparison at equal attack strength: {found['unmatched']}")
    elif found["comparisons"]:
        said += render_comparison(found["comparisons"], width).splitlines()
    said += [f"not compared: {sentence}" for sentence in found["left_out"]]
    # Paths stay unbroken, to be copied.
    wrapper = TextWrapper(width, break_on_hyphens=False, break_long_words=False)
    for line in said:
        lines += [line] if len(line) <= width else wrapper.wrap(line)
    return "\n".join(lines)


def _rows(rows: Sequence[Mapping[str, Any]], measure: str, width: int) -> Table:
    """The recipes of both runs, with the metrics that the width has room for."""
    metrics = {f"test {measure}": "utility", "AUC": "auc"}
    metrics |= {"TPR@1%": "tpr@0.01", "TPR@0.1%": "tpr@0.001"}
    columns = {
        title: ["n/a" if row[key] is None else cell(row[key]) for row in rows]
        for title, key in metrics.items()
    }
    slugs = [row["slug"] for row in rows]
    longest = min(max(map(len, ("recipe", *slugs))), width // 2)
    kept = fitting(columns, width - 8 - longest)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("run")
    table.add_column("recipe", max_width=longest, overflow="fold")
    for title in kept:
        table.add_column(title, justify="right", no_wrap=True)
    for row, *cells in zip(rows, *kept.values(), strict=True):
        table.add_row(row["run"], row["slug"], *cells)
    return table
