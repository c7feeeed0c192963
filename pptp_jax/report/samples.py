"""The table of what a run's samples are worth, for a terminal and for the page."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from pptp_jax.evaluation.results import RecipeResult, RunResults
from pptp_jax.metrics import UNRESOLVED
from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.table import cell

TITLES = {
    "accuracy": "accuracy by samples",
    "precision": "precision",
    "recall": "recall",
    "nearer_members": "nearer to members",
}


def sample_rows(rows: Sequence[RecipeResult]) -> list[tuple[RecipeResult, list[Any]]]:
    """The rows of the results whose samples were judged, with the estimates of `TITLES`.

    Args:
        rows: those of the results.

    Examples:
        >>> sample_rows([RecipeResult(slug="a")])
        []
    """
    judged = [row for row in rows if row.sample_quality]
    return [(row, [row.sample_quality.get(n, UNRESOLVED) for n in TITLES]) for row in judged]


def render_samples(results: RunResults) -> str:
    """One line a recipe: what its samples are worth; empty where models have none.

    Args:
        results: of a run.

    Examples:
        >>> render_samples(RunResults(rows=(RecipeResult(slug="undefended_3"),)))
        ''
    """
    rows = sample_rows(results.rows)
    if not rows:
        return ""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("samples", no_wrap=True)
    for title in TITLES.values():
        table.add_column(title, justify="right")
    for row, found in rows:
        table.add_row(row.slug, *map(cell, found))
    return plain_text(table)
