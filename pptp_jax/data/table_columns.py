"""The columns of a table as numbers that models take, by scikit-learn."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

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
        >>> column_of("day", np.array(["2024-03-01", "2024-03-03"]), np.zeros(2, bool)).kind
        'date'
    """

    kind: Kind
    cells: Shaped[np.ndarray, " rows"]


def column_of(
    name: str,
    cells: Shaped[np.ndarray, " rows"],
    missing: Bool[np.ndarray, " rows"],
    kind: Kind | None = None,
) -> Column:
    """A column with its kind.

    Args:
        name: what it is called.
        cells: its texts.
        missing: which of them say nothing.
        kind: what it holds; None looks: numbers if all cells are, else dates if all are ISO dates
            (2024-03-01, or with a time), else categories.

    Raises:
        ValueError: if it is not of the stated kind, has an infinite number, or has too many
            categories: names or free text.
    """
    known = cells[~missing].tolist()
    numbers = None if kind == "category" else [number_of(cell) for cell in known]
    days = None
    if numbers is not None and None in numbers:
        wrong = known[numbers.index(None)]
        if kind == "number":
            raise Refused(f"column {name!r} was stated to hold numbers, and has {wrong!r:.60}")
        numbers, days = None, _days(known)
    values = days if numbers is None else numbers
    if values is None:
        _check_categories(name, known)
        return Column("category", np.where(missing, _MISSING, cells))
    found = np.full(len(cells), np.nan)
    found[~missing] = values
    if np.isinf(found).any():
        raise Refused(f"column {name!r} has infinite numbers: leave such cells empty")
    return Column("number" if days is None else "date", found)


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

    varying = {name: one for name, one in columns.items() if _varies(one)}
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


def _varies(column: Column) -> bool:
    if column.kind == "category":
        return len(np.unique(column.cells)) > 1
    known = column.cells[~np.isnan(column.cells)]
    gaps = 0 < len(known) < len(column.cells)
    return len(known) > 0 and (gaps or known.min() < known.max())


def _check_categories(name: str, known: list[str]) -> None:
    values = len(set(known))
    if values > _MOST_CATEGORIES and 2 * values > len(known):
        raise Refused(
            f"column {name!r} has {values:,} different texts in {len(known):,} rows, so it is an "
            f"identity or free text and no category: ignore it, or name it as the id"
        )


def _days(known: list[str]) -> list[float] | None:
    """The days since the year 1, of cells that are all ISO dates."""
    try:
        dates = [datetime.fromisoformat(cell).replace(tzinfo=None) for cell in known]
    except ValueError:
        return None
    return [date.toordinal() + (date.hour * 60 + date.minute) / 1440 for date in dates]
