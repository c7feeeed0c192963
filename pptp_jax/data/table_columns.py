"""The columns of a table as numbers that models take, by scikit-learn."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from pptp_jax.data.foreign_cells import check_foreign
from pptp_jax.data.odd_cells import nearly_all, odd_cells
from pptp_jax.data.table_file import number_of
from pptp_jax.validation import Refused

Kind = Literal["number", "date", "category"]
# More values than this, in more than half of the rows, are identities or free text.
_MOST_CATEGORIES = 50
# A category of its own: no cell reads like this, since cells are stripped.
_MISSING = " missing"


class Column(NamedTuple):
    """A column as it is read.

    Attributes:
        kind: what its cells are.
        cells: numbers, NaN where a cell is missing, dates in days; of categories the texts.

    Examples:
        >>> cells = np.array(["2024-03-01", "", "2024-03-03"])
        >>> day = column_of("day", cells, cells == "", np.arange(2, 5))
        >>> day.kind, day.values, day.missing, day.varies
        ('date', 2, 1, True)
    """

    kind: Kind
    cells: Shaped[np.ndarray, " rows"]

    @property
    def known(self) -> Shaped[np.ndarray, " known"]:
        """The cells that are not missing."""
        missing = self.cells == _MISSING if self.kind == "category" else np.isnan(self.cells)
        return self.cells[~missing]

    @property
    def missing(self) -> int:
        """How many cells are missing."""
        return len(self.cells) - len(self.known)

    @property
    def values(self) -> int:
        """How many different values there are, without the missing ones."""
        return len(np.unique(self.known))

    @property
    def varies(self) -> bool:
        """Whether it says anything: a model learns nothing from a single value."""
        if self.kind == "category":
            return self.values + (self.missing > 0) > 1
        return self.values > 1 or (self.values == 1 and self.missing > 0)


def column_of(
    name: str,
    cells: Shaped[np.ndarray, " rows"],
    missing: Bool[np.ndarray, " rows"],
    lines: Int[np.ndarray, " rows"],
    kind: Kind | None = None,
) -> Column:
    """A column with its kind.

    Args:
        name: what it is called.
        cells: its texts.
        missing: which of them say nothing.
        lines: their lines in the file.
        kind: what it holds; None looks: numbers if all cells are, else dates if all are ISO dates
            (2024-03-01, or with a time), else categories.

    Raises:
        ValueError: if it is not of the stated kind, nearly all cells are numbers or dates but some
            are not, nearly all are either in a form that is not read, it has an infinite number, or
            it has too many categories: names or free text.
    """
    known, places = cells[~missing].tolist(), lines[~missing].tolist()
    as_category = f"If these are categories, name the column as one: --category {shlex.quote(name)}"
    for tried, read in _READERS.items():
        if kind not in (None, tried):
            continue
        values = [read(cell) for cell in known]
        if None not in values:
            return Column(tried, _spread(name, values, missing))
        odd = odd_cells(known, places, values)
        if kind == tried:
            raise Refused(f"column {name!r} was stated to hold {tried}s, and has {odd}")
        if nearly_all(values):
            raise Refused(
                f"column {name!r} holds {tried}s in {len(known) - values.count(None):,} of "
                f"{len(known):,} cells, and something else in the others: {odd}. Write {tried}s "
                f"there, or empty these cells, which then count as missing. {as_category}"
            )
    if kind is None:
        check_foreign(f"column {name!r}", known, as_category)
    _check_categories(name, known)
    return Column("category", np.where(missing, _MISSING, cells))


def _spread(
    name: str, values: Sequence[float | None], missing: Bool[np.ndarray, " rows"]
) -> Float[np.ndarray, " rows"]:
    """The numbers in their rows, with NaN in the others."""
    found = np.full(len(missing), np.nan)
    found[~missing] = values
    if np.isinf(found).any():
        raise Refused(f"column {name!r} has infinite numbers: leave such cells empty")
    return found


def encoded(columns: Mapping[str, Column]) -> tuple[Float[np.ndarray, "rows inputs"], list[str]]:
    """The inputs, and the name of each.

    Args:
        columns: the columns that models see.

    Raises:
        ValueError: if no column says anything.

    Examples:
        >>> ages = Column("number", np.array([30.0, np.nan, 50.0]))
        >>> towns = Column("category", np.array(["Bern", "Chur", "Sion"]))
        >>> x, names = encoded({"age": ages, "town": towns})
        >>> names
        ['age', 'age is missing', 'town: Bern', 'town: Chur', 'town: Sion']
        >>> print(x[:, 0].round(2))
        [-1.22  0.    1.22]
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    varying = {name: one for name, one in columns.items() if one.varies}
    if not varying:
        raise Refused("no column besides the target has two different values: nothing to learn")
    numbers = [name for name, one in varying.items() if one.kind != "category"]
    names = [name for name, one in varying.items() if one.kind == "category"]
    cells = np.empty((len(next(iter(varying.values())).cells), len(varying)), object)
    for place, one in enumerate(varying.values()):
        cells[:, place] = one.cells
    order = list(varying)
    amounts = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    classes = OneHotEncoder(sparse_output=False, drop="if_binary")
    parts: list[Any] = [
        ("numbers", amounts, [order.index(name) for name in numbers]),
        ("categories", classes, [order.index(name) for name in names]),
    ]
    transformer = ColumnTransformer([part for part in parts if part[2]])
    x = transformer.fit_transform(cells).astype(np.float32)
    gaps = [name for name in numbers if np.isnan(varying[name].cells).any()]
    shown = [*numbers, *(f"{name} is missing" for name in gaps)]
    for name in names:
        values = np.unique(varying[name].cells)
        shown += [f"{name}: {value.strip()}" for value in values[len(values) == 2 :].tolist()]
    return x, shown


def _check_categories(name: str, known: list[str]) -> None:
    values = len(set(known))
    if values <= _MOST_CATEGORIES or 2 * values <= len(known):
        return
    option = shlex.quote(name)
    rows = (
        f"if it names each row, give it as the id (--id {option}), and the report calls rows by it"
        if values == len(known)
        else f"if it says whose a row is, give it as the owner (--owner {option}), and a model "
        "trains on all rows of an owner or on none"
    )
    raise Refused(
        f"column {name!r} has {values:,} different texts in {len(known):,} rows, so it is no "
        f"category: {rows}; if it is free text, ignore it (--ignore {option}), and no model sees it"
    )


def _day(cell: str) -> float | None:
    """The days since the year 1 of an ISO date; None if it is none."""
    try:
        date = datetime.fromisoformat(cell)
    except ValueError:
        return None
    if date.tzinfo is not None:
        date = date.astimezone(UTC)
    seconds = (date.hour * 60 + date.minute) * 60 + date.second + date.microsecond / 1e6
    return date.toordinal() + seconds / 86400


# How each kind but categories reads a cell, in the order in which they are tried.
_READERS: Mapping[Kind, Callable[[str], float | None]] = {"number": number_of, "date": _day}
