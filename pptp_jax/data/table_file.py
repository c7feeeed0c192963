"""Read a CSV file as columns of text, and name the line of a cell."""

import csv
import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from pptp_jax.validation import Refused

_SEPARATORS = ",;\t"


class TableFile(NamedTuple):
    """The content of a CSV file.

    Attributes:
        name: the file's name.
        columns: the cells of each column as text, by the header's names and in its order.
        lines: the line of the file in which each row ends.

    Examples:
        >>> TableFile("two.csv", {"age": np.array(["31", "?"])}, np.array([2, 3])).lines.tolist()
        [2, 3]
    """

    name: str
    columns: dict[str, Shaped[np.ndarray, " rows"]]
    lines: Int[np.ndarray, " rows"]


def number_of(cell: str) -> float | None:
    """The number that a cell holds, infinite ones included; None if it holds something else.

    Examples:
        >>> number_of("1e3"), number_of("1_000"), number_of("red")
        (1000.0, None, None)
    """
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def read_table(path: Path) -> TableFile:
    r"""Reads a CSV file with a header, in UTF-8.

    Cells are stripped of spaces, and lines without any cell are left out. The separator is the one
    of comma, semicolon and tab that the header has most of.

    Args:
        path: the file.

    Raises:
        ValueError: naming the line and what is wrong with it.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "people.csv"
        >>> _ = path.write_text("age;town\n31;Bern\n\n45;Chur\n")
        >>> found = read_table(path)
        >>> found.columns["town"].tolist(), found.lines.tolist()
        (['Bern', 'Chur'], [2, 4])
    """
    if not path.is_file():
        raise Refused(f"{path}: there is no such file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            separator = max(_SEPARATORS, key=first.count)
            reader = csv.reader(file, delimiter=separator, strict=True)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except UnicodeDecodeError as error:
        raise Refused(
            f"{path}: this is no text in UTF-8: {error.reason}. Save it as CSV UTF-8, or convert "
            f"it: iconv -f cp1252 -t utf-8 {shlex.quote(path.name)} > utf8.csv"
        ) from error
    except csv.Error as error:
        raise Refused(f"{path}: line {reader.line_num} is no CSV: {error}") from error
    if not rows:
        raise Refused(f"{path}: the file is empty; its first line must name the columns")
    (_, header), *rows = rows
    _check_header(path, header)
    for line, row in rows:
        if len(row) != len(header):
            raise Refused(
                f"{path}: line {line} has {len(row)} cells, and the header names {len(header)} "
                "columns: quote cells that hold the separator"
            )
    if not rows:
        raise Refused(f"{path}: there are no rows below the header")
    cells = np.array([row for _, row in rows], dtype=str)
    columns = dict(zip(header, cells.T, strict=True))
    return TableFile(path.name, columns, np.array([line for line, _ in rows]))


def _check_header(path: Path, header: list[str]) -> None:
    for number, name in enumerate(header, 1):
        if not name:
            raise Refused(
                f"{path}: column {number} has no name in the first line: name it, or leave it out "
                "(pandas: to_csv(..., index=False))"
            )
        if number_of(name) is not None:
            raise Refused(
                f"{path}: there is no header: the first line must name the columns, and column "
                f"{number} of it is the number {name}"
            )
        if name in header[: number - 1]:
            raise Refused(f"{path}: two columns are called {name!r}: rename one of them")
