"""The table at the head of the page: its columns, and the numbers that stand in them."""

from typing import NamedTuple

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.results import RecipeResult, RunResults
from pptp_jax.metrics import Estimate
from pptp_jax.report.page.sentences import strongest
from pptp_jax.report.page.words import metric_name

# Whose AUC stands in the table beside that of the compared attack; all of them stand further down.
HEADLINE = ("loss", "lira_online", "lira_offline", "rmia_online")


class Column(NamedTuple):
    """A column of the table: its title, and where its number stands in a row.

    The place is an attack and a metric, or the name of a utility.

    Without a place it is that of the strongest attack, whichever this is.
    """

    title: str
    keys: tuple[str, ...]
    digits: int = 3


class Cell(NamedTuple):
    """A cell of the table.

    Attributes:
        estimate: the number with its interval.
        digits: behind the point.
        best: whether no other attack in the row has a larger AUC.
        name: of the attack, where it differs from row to row.
    """

    estimate: Estimate
    digits: int = 3
    best: bool = False
    name: str = ""


def columns(results: RunResults) -> list[Column]:
    """Those of which at least one row has a number."""
    rows, compared, known = results.rows, results.compared, results.attacks
    headline = [a for a in known if a == compared or a in HEADLINE]
    # Where none of the usual attacks was made, as many others as there is room for.
    headline = headline or list(known)[: len(HEADLINE)]
    found = [
        Column(f"test {results.utility_name}", ("utility",)),
        Column(f"training {results.utility_name}", ("train_utility",)),
        *(Column(f"{attack_name(a)} AUC", (a, "auc")) for a in headline),
    ]
    if {strongest(row) for row in rows} - {None, *headline}:
        found.append(Column(f"largest AUC of {len(known)} attacks", ()))
    if compared in known:
        found += [
            Column(f"{attack_name(compared)} {metric_name(rate)}", (compared, rate), 4)
            for rate in ("tpr@0.01", "tpr@0.001")
        ]
    return [
        column
        for column in found
        if not column.keys or any(_at(row, column.keys).value is not None for row in rows)
    ]


def _at(row: RecipeResult, keys: tuple[str, ...]) -> Estimate:
    if len(keys) == 2:
        return row.attack(keys[0])[keys[1]]
    return row.utility if keys == ("utility",) else row.train_utility


def cells(row: RecipeResult, columns: list[Column]) -> list[Cell]:
    """The row's numbers, the strongest attack's among them: its own cell where it has no column."""
    first = strongest(row)
    return [
        Cell(_at(row, c.keys), c.digits, c.keys == (first, "auc"))
        if c.keys
        else Cell(_at(row, (str(first), "auc")), name=attack_name(first or ""))
        for c in columns
    ]
