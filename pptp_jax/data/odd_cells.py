"""The few cells of a column that cannot be read as its others are."""

from collections.abc import Iterable, Sequence

# With at most one odd cell in this number, a column was meant to have none.
_ONE_IN = 10
_SHOWN = 3


def mostly(count: int, cells: int) -> bool:
    """Whether these are at least 90 % of the cells.

    Examples:
        >>> mostly(9, 10), mostly(8, 10)
        (True, False)
    """
    return _ONE_IN * (cells - count) <= cells


def nearly_all(values: Sequence[float | None]) -> bool:
    """Whether at least 90 % of the cells could be read, but not all.

    Args:
        values: what was read in each cell; None where it could not be read.

    Examples:
        >>> nearly_all(9 * [0.5] + [None]), nearly_all(8 * [0.5] + [None]), nearly_all([0.5])
        (True, False, False)
    """
    missing = values.count(None)
    return missing > 0 and mostly(len(values) - missing, len(values))


def odd_cells(cells: Iterable[str], lines: Iterable[int], values: Iterable[float | None]) -> str:
    """The first cells that could not be read, each with its line, for a message.

    Args:
        cells: the texts of a column.
        lines: their lines in the file.
        values: what was read in each cell; None where it could not be read.

    Examples:
        >>> odd_cells(["31", "40+", "<18"], [2, 3, 4], [31.0, None, None])
        "'40+' (line 3), '<18' (line 4)"
    """
    odd = [
        f"{cell!r:.60} (line {line})"
        for cell, line, value in zip(cells, lines, values, strict=True)
        if value is None
    ]
    more = [f"{len(odd) - _SHOWN:,} more"] if len(odd) > _SHOWN else []
    return ", ".join(odd[:_SHOWN] + more)
