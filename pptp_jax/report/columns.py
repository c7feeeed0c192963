"""How the columns of a table are read, a line a kind, for a terminal."""

import shlex
from collections.abc import Iterator, Sequence
from textwrap import wrap

from pptp_jax.data import Table, TableRows

_WIDTH = 80
# How many columns of a kind are named.
_NAMED = 40
# How many classes of the target are.
_CLASSES = 10
# Of more values than this, in fewer rows each than that, a column may hold identities.
_MANY, _FEW = 50, 5
_TITLES = {"number": "numbers", "date": "dates", "category": "categories"}


def render_columns(table: Table, rows: TableRows) -> str:
    r"""What each column of a table is read as, with its number of values.

    Args:
        table: the table.
        rows: what was read from it.

    Returns:
        The columns of each kind in lines of 80 characters; of each kind beyond 40 they are counted.
        Below are notes on columns that may name the rows, or say whose they are.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "people.csv"
        >>> _ = path.write_text("name,age,town,ill\nA,31,Bern,no\nB,,Chur,yes\nC,45,Bern,no\n")
        >>> table = Table(path, target="ill", id="name")
        >>> print(render_columns(table, table.read()))
        people.csv: 3 rows; columns, with their number of values, are read as
          target      ill (2 classes: no, yes)
          numbers     age (2, 1 missing)
          categories  town (2)
          no input    name (id)
    """
    lines = {"target": [_target(table.target, rows.classes)]}
    for kind, title in _TITLES.items():
        lines[title] = [
            f"{name} ({column.values:,}{f', {column.missing:,} missing' * (column.missing > 0)})"
            for name, column in rows.columns.items()
            if column.kind == kind and column.varies
        ]
    aside = {name: "ignored" for name in table.ignore}
    aside |= {name: role for role, name in (("id", table.id), ("owner", table.owner)) if name}
    aside |= {name: "one value" for name, one in rows.columns.items() if not one.varies}
    lines["no input"] = [f"{name} ({why})" for name, why in aside.items()]
    head = f"{rows.data.name}: {len(rows.data):,} rows; columns, with their number of values, "
    shown = [line for title, parts in lines.items() if parts for line in _lines(title, parts)]
    notes = [
        line
        for note in _notes(table, rows)
        for line in wrap(f"note: {note}", _WIDTH, subsequent_indent=" " * 6, break_on_hyphens=False)
    ]
    return "\n".join([f"{head}are read as", *shown, *notes])


def _notes(table: Table, rows: TableRows) -> Iterator[str]:
    """Of each column that may name the rows, or say whose they are, the option for it."""
    for name, column in rows.columns.items():
        known, values, quoted = column.known, column.values, shlex.quote(name)
        if values <= _MANY:
            continue
        if column.kind == "number" and values == len(rows.data) and (known % 1 == 0).all():
            remedy = "leave it out: --ignore" if table.id else "give it as the id: --id"
            yield f"{name} has another integer in every row: if it names rows, {remedy} {quoted}"
        elif column.kind == "category" and len(known) < _FEW * values and not table.owner:
            yield (
                f"{name} has {values:,} texts, {len(known) / values:.1f} rows each: if it says "
                f"whose a row is, give it as the owner: --owner {quoted}"
            )


def _target(name: str, classes: Sequence[str]) -> str:
    if not classes:
        return f"{name} (a number)"
    more = ", ..." * (len(classes) > _CLASSES)
    return f"{name} ({len(classes)} classes: {', '.join(classes[:_CLASSES])}{more})"


def _lines(title: str, parts: Sequence[str]) -> list[str]:
    """The parts behind their title, in as many lines as they take."""
    more = [f"and {len(parts) - _NAMED:,} more"] * (len(parts) > _NAMED)
    text = ", ".join([*parts[:_NAMED], *more])
    indent = " " * 14
    return wrap(text, _WIDTH, initial_indent=f"  {title:<12}", subsequent_indent=indent)
