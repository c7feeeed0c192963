"""The answer of a run in one screen: the leak, what defences cost, which records are at risk."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.measure import Measure
from pptp_jax.evaluation.method import RIVALS
from pptp_jax.evaluation.results import RecipeResult, RunResults
from pptp_jax.evaluation.run_files import read_riskiest
from pptp_jax.evaluation.schema import typed
from pptp_jax.report.leak import leak
from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.room import fitting
from pptp_jax.report.table import cell, warnings_of

NARROWEST, WIDEST = 80, 100
# More recipes than this are compared in the report alone.
SPELT_OUT = 6
RECORDS = 3
FOUND = "TPR@1%"
VERDICTS = 4
# Shown beside the compared attack where there is room for them, in this order.
OTHERS = ("loss", "rmia_online", "lira_offline", "lira_online")


def render_summary(results: RunResults, directory: Path, width: int = WIDEST) -> str:
    """One line a recipe, and what follows from it, in the width of a terminal.

    Args:
        results: of a run.
        directory: of the run, whose `riskiest.npz` names the records at risk.
        width: that of the terminal, in characters; between 80 and 100 of them are used. Columns
            that find no room are left out.

    Returns:
        Plain text; `table.txt` has all columns and all comparisons.

    Examples:
        >>> from pptp_jax.evaluation import AttackResult
        >>> from pptp_jax.metrics import Estimate
        >>> found = AttackResult({"auc": Estimate(0.72, 0.69, 0.75)})
        >>> row = RecipeResult(slug="plain", recipe="plain", attacks={"lira_online": found})
        >>> run = RunResults(rows=(row,), study="mine", compared="lira_online")
        >>> text = render_summary(run, Path("runs/mine"))
        >>> [line.strip() for line in text.splitlines() if "higher score" in line]
        ['What leaks   plain: LiRA gives a member the higher score in 72 % [69, 75] of pairs.']
    """
    width = min(max(width, NARROWEST), WIDEST)
    data = results.data
    classes = f" in {data['classes']} classes" if data.get("classes") else ""
    heading = (
        f"{results.study}: {data.get('name', 'data')}, {data.get('examples', 0)} examples{classes};"
        f" {results.models} models a recipe, {results.members} members each"
    )
    table = _table(results, width)
    explained = "± 95 % interval. AUC .5: the attacker guesses."
    if any(pair["b"] == RIVALS for pair in results.comparisons):
        explained += f" {RIVALS.capitalize()}: all methods without a protected region."
    if any(column.header == FOUND for column in table.columns):
        explained += f" {FOUND}: share of the members found at 1 % false positives."
    said = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    said.add_column(no_wrap=True)
    said.add_column(overflow="fold")
    for title, sentence in _sentences(results, directory):
        said.add_row(title, sentence)
    return plain_text(heading, table, explained, "", said, width=width)


def _table(results: RunResults, width: int) -> Table:
    """The columns that the width has room for: the recipe, its utility and the compared attack."""
    compared = results.compared
    labels = [_label(row) for row in results.rows]
    columns = {
        f"test {results.utility_name}": [cell(row.utility) for row in results.rows],
        f"{attack_name(compared)} AUC": [cell(row.attack(compared).auc) for row in results.rows],
        FOUND: [cell(row.attack(compared)["tpr@0.01"]) for row in results.rows],
    }
    for other in OTHERS:
        if other != compared and any(other in row.attacks for row in results.rows):
            found = [cell(row.attack(other).auc) for row in results.rows]
            columns[f"{attack_name(other)} AUC"] = found
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    longest = min(max(map(len, ("recipe", *labels))), width // 2)
    table.add_column("recipe", max_width=longest, overflow="fold")
    kept = fitting(columns, width - 2 - longest)
    for title in kept:
        table.add_column(title, justify="right", no_wrap=True)
    for label, *cells in zip(labels, *kept.values(), strict=True):
        table.add_row(label, *cells)
    return table


def _label(row: RecipeResult) -> str:
    """The text of a recipe: its epochs, its region and its defence."""
    strength = "" if row.strength is None else f" {row.strength:g}"
    defence = "" if row.defence == "none" else row.defence + strength
    region = "" if row.region == "-" else row.region
    epochs = "" if row.epochs == "-" else row.epochs
    return " ".join(filter(None, (row.recipe, epochs, region, defence)))


def _sentences(results: RunResults, directory: Path) -> Iterator[tuple[str, str]]:
    """Titles and sentences; a further sentence under a title has an empty one."""
    measure = Measure(results.utility_name, results.higher_is_better)
    rows = [row for row in results.rows if row.attack(results.compared).auc.value is not None]
    if rows:
        most = max(rows, key=lambda row: row.attack(results.compared).auc.value or 0)
        yield "What leaks", f"{_label(most)}: {leak(most, results.compared)}."
        others = [row for row in rows if row is not most and row.utility.value is not None]
        if len(results.rows) <= SPELT_OUT and most.utility.value is not None:
            for i, row in enumerate(others):
                yield "" if i else "Defences", _price(row, most, results.compared, measure)
        of_auc = [one for one in typed(results.comparisons) if one["statistic"] == "auc"]
        verdicts = [one["verdict"] for one in of_auc if one["mean"].value is not None]
        for i, verdict in enumerate(verdicts[:VERDICTS]):
            yield "" if i else "At equal AUC", verdict
        yield from _records(directory, most.slug, results.compared)
    for warning in warnings_of(results):
        yield "Warning", warning
    for note in sorted({note for row in results.rows for note in row.notes}):
        yield "Note", note


def _price(row: RecipeResult, most: RecipeResult, attack: str, measure: Measure) -> str:
    """What a recipe takes off the strongest leak, and what it costs."""
    before, after = (one.attack(attack).auc.value or 0.0 for one in (most, row))
    kept, had = row.utility.value or 0.0, most.utility.value or 0.0
    if measure.in_points:
        change = f"{measure.name} {100 * had:.1f} → {100 * kept:.1f} % ({100 * (kept - had):+.1f})"
    else:
        change = f"{measure.name} {had:.3f} → {kept:.3f}"
    return f"{_label(row)}: AUC {before:.2f} → {after:.2f}, {change}."


def _records(directory: Path, slug: str, attack: str) -> Iterator[tuple[str, str]]:
    stored = read_riskiest(directory)
    if stored is None or str(stored["attack"]) != attack or slug not in stored["slugs"]:
        return
    ids = stored["ids"][np.flatnonzero(stored["slugs"] == slug)[0]][:RECORDS]
    surest = f"the members that {attack_name(attack)} is surest of"
    yield "At risk", f"{', '.join(map(str, ids))}: {surest}."
