"""How the columns of a table are read, a line a kind, for a terminal."""

from collections.abc import Sequence

from pptp_jax.data import Table, TableRows

_WIDTH = 80
_TITLES = {"number": "numbers", "date": "dates", "category": "categories"}


def render_columns(table: Table, rows: TableRows) -> str:
    r"""What each column of a table is read as, with its number of values.

    Args:
        table: the table.
        rows: what was read from it.

    Returns:
        A line a kind in 80 characters; names that find no room are counted.

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
    shown = [f"  {title:<12}{_fitted(parts)}" for title, parts in lines.items() if parts]
    return "\n".join([f"{head}are read as", *shown])


def _target(name: str, classes: Sequence[str]) -> str:
    if not classes:
        return f"{name} (a number)"
    return f"{name} ({len(classes)} classes: {', '.join(classes)})"


def _fitted(parts: Sequence[str]) -> str:
    """As many of the parts as a line has room for."""
    room = _WIDTH - 14
    for count in range(len(parts), 0, -1):
        more = f" and {len(parts) - count:,} more" * (count < len(parts))
        line = ", ".join(parts[:count]) + more
        if len(line) <= room:
            return line
    return f"{parts[0][: room - len(more) - 3]}...{more}"
