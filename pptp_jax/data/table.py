"""A table: a CSV file with a column to predict."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
from jaxtyping import Bool, Shaped

from pptp_jax.data.dataset import Dataset
from pptp_jax.data.foreign_cells import check_foreign
from pptp_jax.data.odd_cells import nearly_all, odd_cells
from pptp_jax.data.source import Select
from pptp_jax.data.table_columns import Column, Kind, column_of, encoded
from pptp_jax.data.table_file import TableFile, number_of, read_table
from pptp_jax.validation import Refused, one_of
from pptp_jax.validation.field_types import check_fields

Answer = Literal["auto", "classes", "numbers"]
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?")
# The most values that a target of integers may have to count as classes.
_MOST_CLASSES = 20


class TableRows(NamedTuple):
    """A table that has been read.

    Attributes:
        data: inputs, target and identities.
        classes: the names of the classes; empty where the target is a number.
        owners: whose each row is; None without a column of owners.
        inputs: the name of each input.
        columns: the columns that models see, by name.

    Examples:
        >>> TableRows._fields[:2]
        ('data', 'classes')
    """

    data: Dataset
    classes: tuple[str, ...]
    owners: Shaped[np.ndarray, " rows"] | None
    inputs: tuple[str, ...]
    columns: Mapping[str, Column]

    @property
    def kinds(self) -> dict[str, Kind]:
        """What each of these columns holds."""
        return {name: column.kind for name, column in self.columns.items()}


@dataclass(frozen=True)
class Table:
    r"""A CSV file with a header, of which one column is to be predicted from the others.

    A column in which all cells are numbers is one of numbers; where all are ISO dates, they are
    counted in days; any other has categories. One in which nearly all cells are numbers, or dates,
    is refused: mend the other cells, or name it among the categories. A number that is missing
    becomes the median, and a second input says where it was; a category that is missing is a
    category of its own. Numbers are standardised, categories one-hot. A column with one value is
    left out.

    Medians, deviations and categories are those of **all** rows, members and non-members of
    whatever is trained later; the target takes no part. So all models of a fleet see the same
    inputs, and nothing in the encoding says who is a member. A pipeline that fits its encoding to
    its own members leaks a little more than this one.

    The target is one of classes if its cells are texts or up to 20 different integers; else it
    is a number, for regression.

    Attributes:
        path: the file; None if it is to be given on the command line.
        target: the column to predict.
        id: a column that names the rows, each once; None names them by their line in the file.
        owner: a column that says whose each row is. Neither this nor the id is an input.
        ignore: columns that no model sees.
        numbers: columns that must hold numbers.
        categories: columns of categories, whatever their cells look like.
        answer: what the target is; `auto` looks.
        missing: the cells that say nothing.

    Raises:
        ValueError: naming the column or the line, and what would be right.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "people.csv"
        >>> _ = path.write_text("name,age,town,ill\nA,31,Bern,no\nB,,Chur,yes\nC,45,Bern,no\n")
        >>> rows = Table(path, target="ill", id="name").read()
        >>> rows.inputs, rows.classes, rows.data.y.tolist()
        (('age', 'age is missing', 'town: Chur'), ('no', 'yes'), [0, 1, 0])
        >>> rows.data.ids.tolist(), rows.kinds
        (['A', 'B', 'C'], {'age': 'number', 'town': 'category'})
    """

    path: str | Path | None = None
    target: str = "target"
    id: str | None = None
    owner: str | None = None
    ignore: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    answer: Answer = "auto"
    missing: tuple[str, ...] = MISSING

    def __post_init__(self) -> None:
        if isinstance(self.path, Path):
            object.__setattr__(self, "path", str(self.path))
        check_fields(self)

    def load(self, select: Select = np.arange) -> Dataset:
        """Reads and checks the file; the encoding is that of all its rows.

        Raises:
            ValueError: if there is no such file, or it holds no such table.
        """
        data = self.read().data
        rows = select(len(data))
        return replace(data, x=data.x[rows], y=data.y[rows], ids=data.ids[rows])

    def at(self, path: Path) -> Self:
        """The same source with another file."""
        return replace(self, path=str(path))

    def read(self) -> TableRows:
        """Reads the file with all that is known of its rows.

        Raises:
            ValueError: if there is no such file, or it holds no such table.
        """
        if self.path is None:
            raise Refused("this study's data are a CSV file: say where with --data FILE.csv")
        file = read_table(Path(self.path))
        self._check_names(file)
        gaps = {name: np.isin(cells, self.missing) for name, cells in file.columns.items()}
        y, classes = self._target(file, gaps[self.target])
        unseen = {self.target, self.id, self.owner, *self.ignore}
        columns, wrong = {}, []
        for name in [name for name in file.columns if name not in unseen]:
            try:
                columns[name] = column_of(
                    name, file.columns[name], gaps[name], file.lines, self._stated(name)
                )
            except Refused as refusal:
                wrong.append(str(refusal))
        if wrong:
            raise Refused("\n".join(wrong))
        if not columns:
            raise Refused(f"{file.name}: there is no column besides the target to learn from")
        x, inputs = encoded(columns)
        data = Dataset(file.name, x, y, self._ids(file, gaps), len(classes) or None)
        return TableRows(data, classes, self._owners(file, gaps), tuple(inputs), columns)

    def _check_names(self, file: TableFile) -> None:
        named = {"target": self.target, "id": self.id, "owner": self.owner}
        for role, name in named.items():
            if name is not None:
                one_of(file.columns, **{f"{file.name}: the column of the {role}": name})
        for role in ("ignore", "numbers", "categories"):
            for name in getattr(self, role):
                one_of(file.columns, **{f"{file.name}: the column {role}": name})
        if self.target in (self.id, self.owner, *self.ignore):
            raise Refused(f"the target {self.target!r} cannot be the id, the owner or ignored")
        if both := {*self.numbers} & {*self.categories}:
            raise Refused(f"column {min(both)!r} cannot hold both numbers and categories")

    def _stated(self, name: str) -> Kind | None:
        """What a column is stated to hold."""
        if name in self.categories:
            return "category"
        return "number" if name in self.numbers else None

    def _target(
        self, file: TableFile, missing: Bool[np.ndarray, " rows"]
    ) -> tuple[Shaped[np.ndarray, " rows"], tuple[str, ...]]:
        cells = file.columns[self.target]
        if missing.any():
            raise Refused(
                f"{file.name}: the target {self.target!r} is missing in {missing.sum()} rows, the "
                f"first at line {file.lines[missing][0]}: leave these rows out"
            )
        values = np.unique(cells)
        if len(values) < 2:
            raise Refused(
                f"{file.name}: the target {self.target!r} is {str(values[0])!r} in all rows: "
                "there is nothing to predict"
            )
        if self.answer == "auto":
            self._check_target(file)
        found = [number_of(value) for value in values.tolist()]
        numbers = np.array([np.nan if number is None else number for number in found])
        whole = np.isfinite(numbers).all() and bool((numbers == numbers.round()).all())
        as_classes = np.isnan(numbers).any() or (whole and len(values) <= _MOST_CLASSES)
        if self.answer == "classes" or (self.answer == "auto" and as_classes):
            if np.isfinite(numbers).all():
                values = values[np.argsort(numbers, kind="stable")]
            place = {value: number for number, value in enumerate(values.tolist())}
            y = np.array([place[cell] for cell in cells.tolist()], np.int32)
            return y, tuple(values.tolist())
        if not np.isfinite(numbers).all():
            wrong = str(values[~np.isfinite(numbers)][0])
            raise Refused(
                f"{file.name}: the target {self.target!r} must hold finite numbers, and has "
                f"{wrong!r}"
            )
        return np.array([float(cell) for cell in cells.tolist()], np.float32), ()

    def _check_target(self, file: TableFile) -> None:
        cells = file.columns[self.target].tolist()
        found = [number_of(cell) for cell in cells]
        what = f"{file.name}: the target {self.target!r}"
        as_classes = "If these are classes, say so: --answer classes"
        if nearly_all(found):
            raise Refused(
                f"{what} is a number in {len(cells) - found.count(None):,} of {len(cells):,} rows, "
                f"and something else in the others: "
                f"{odd_cells(cells, file.lines.tolist(), found)}. Write numbers there, or leave "
                f"these rows out. {as_classes}"
            )
        check_foreign(what, cells, as_classes)

    def _ids(
        self, file: TableFile, gaps: Mapping[str, Bool[np.ndarray, " rows"]]
    ) -> Shaped[np.ndarray, " rows"]:
        if self.id is None:
            return np.char.add("line ", file.lines.astype(str))
        cells, missing = file.columns[self.id], gaps[self.id]
        if missing.any():
            raise Refused(
                f"{file.name}: the id {self.id!r} is missing at line {file.lines[missing][0]}"
            )
        values, counts = np.unique(cells, return_counts=True)
        if (counts > 1).any():
            value = str(values[counts > 1][0])
            lines = file.lines[cells == value]
            raise Refused(
                f"{file.name}: the id {self.id!r} must name each row once, and {value!r} is at "
                f"lines {lines[0]} and {lines[1]}: of several rows a person give it as the owner"
            )
        return cells

    def _owners(
        self, file: TableFile, gaps: Mapping[str, Bool[np.ndarray, " rows"]]
    ) -> Shaped[np.ndarray, " rows"] | None:
        if self.owner is None:
            return None
        missing = gaps[self.owner]
        if missing.any():
            raise Refused(
                f"{file.name}: the owner {self.owner!r} is missing at line "
                f"{file.lines[missing][0]}: every row needs one"
            )
        return file.columns[self.owner]
