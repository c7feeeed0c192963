"""The table at the head of the page: its columns, and the numbers that stand in them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pptp_jax.report.page.sentences import strongest
from pptp_jax.report.page.words import attack_name, metric_name

# Whose AUC stands in the table beside that of the compared attack; all of them stand further down.
HEADLINE = ("loss", "lira_online", "lira_offline", "rmia_online")
UNKNOWN: Mapping[str, Any] = dict.fromkeys(("value", "low", "high"))


class Column(NamedTuple):
    """A column of the table: its title, and where its number stands in a row.

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

    estimate: Mapping[str, Any]
    digits: int = 3
    best: bool = False
    name: str = ""


def columns(results: Mapping[str, Any]) -> list[Column]:
    """Those of which at least one row has a number."""
    rows, compared = results["rows"], str(results.get("compared"))
    known = dict.fromkeys(attack for row in rows for attack in row["attacks"])
    headline = [a for a in known if a == compared or a in HEADLINE]
    # Where none of the usual attacks was made, as many others as there is room for.
    headline = headline or list(known)[: len(HEADLINE)]
    found = [
        Column("test accuracy", ("test_accuracy",)),
        Column("training accuracy", ("train_accuracy",)),
        *(Column(f"{attack_name(a)} AUC", ("attacks", a, "auc")) for a in headline),
    ]
    if {strongest(row) for row in rows} - {None, *headline}:
        found.append(Column(f"largest AUC of {len(known)} attacks", ()))
    if compared in known:
        found += [
            Column(f"{attack_name(compared)} {metric_name(rate)}", ("attacks", compared, rate), 4)
            for rate in ("tpr@0.01", "tpr@0.001")
        ]
    return [
        column
        for column in found
        if not column.keys or any(_at(row, column.keys)["value"] is not None for row in rows)
    ]


def _at(row: Mapping[str, Any], keys: tuple[str, ...]) -> Mapping[str, Any]:
    found: Any = row
    for key in keys:
        found = found.get(key) or {}
    return found or UNKNOWN


def cells(row: Mapping[str, Any], columns: list[Column]) -> list[Cell]:
    """The row's numbers, the strongest attack's among them: its own cell where it has no column."""
    first = strongest(row)
    return [
        Cell(_at(row, c.keys), c.digits, c.keys == ("attacks", first, "auc"))
        if c.keys
        else Cell(_at(row, ("attacks", str(first), "auc")), name=attack_name(first or ""))
        for c in columns
    ]
