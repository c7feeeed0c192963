"""A CSV file as data: what is an input, and what is refused before anything is trained."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pptp_jax.data import Balanced, Table
from pptp_jax.data.table_columns import Column, encoded
from pptp_jax.data.table_file import read_table
from pptp_jax.models import mlp
from pptp_jax.study import Study, run
from pptp_jax.training import undefended

PEOPLE = """patient,owner,age,town,seen,weight,constant,ill
a,1,30,Bern,2024-03-01,70,x,no
b,1,?,Chur,2024-03-02,,x,yes
c,2,50,,2024-03-05,80,x,no
d,2,70,Bern,2024-03-04,65,x,yes
"""
ROLES = {"target": "ill", "id": "patient", "owner": "owner"}


def written(path: Path, text: str = PEOPLE) -> Path:
    file = path / "people.csv"
    file.write_text(text)
    return file


def standardised(column: list[float]) -> np.ndarray:
    found = np.array(column)
    return (found - found.mean()) / found.std()


def test_inputs_are_those_computed_by_hand(tmp_path: Path) -> None:
    rows = Table(written(tmp_path), **ROLES).read()
    expected = {
        "age": standardised([30, 50, 50, 70]),
        "seen": standardised([0, 1, 4, 3]),
        "weight": standardised([70, 70, 80, 65]),
        "age is missing": standardised([0, 1, 0, 0]),
        "weight is missing": standardised([0, 1, 0, 0]),
        "town: missing": np.array([0, 0, 1, 0]),
        "town: Bern": np.array([1, 0, 0, 1]),
        "town: Chur": np.array([0, 1, 0, 0]),
    }
    assert rows.inputs == tuple(expected)
    np.testing.assert_allclose(rows.data.x, np.column_stack([*expected.values()]), atol=1e-5)
    assert rows.classes == ("no", "yes") and rows.data.y.tolist() == [0, 1, 0, 1]
    assert rows.data.ids.tolist() == ["a", "b", "c", "d"]
    assert rows.owners is not None and rows.owners.tolist() == ["1", "1", "2", "2"]
    assert rows.kinds["seen"] == "date" and rows.kinds["town"] == "category"


def test_some_rows_are_encoded_as_all_are(tmp_path: Path) -> None:
    table = Table(written(tmp_path), **ROLES)
    part = table.load(lambda count: np.arange(count)[1::2])
    np.testing.assert_array_equal(part.x, table.load().x[1::2])
    assert part.ids.tolist() == ["b", "d"] and part.num_classes == 2


def test_the_target_takes_no_part_in_the_inputs(tmp_path: Path) -> None:
    one = Table(written(tmp_path), **ROLES).load()
    swapped = PEOPLE.replace(",no", ",?no").replace(",yes", ",no").replace(",?no", ",yes")
    other = Table(written(tmp_path, swapped), **ROLES).load()
    np.testing.assert_array_equal(one.x, other.x)
    assert (one.y != other.y).all()


def test_rows_without_an_id_are_named_by_their_line(tmp_path: Path) -> None:
    file = written(tmp_path, 'a,y\n"1\n",0\n\n2,1\n')
    assert Table(file, target="y").load().ids.tolist() == ["line 3", "line 5"]


@pytest.mark.parametrize(
    ("cells", "answer", "classes", "y"),
    [
        ("10 9 10", "auto", ("9", "10"), [1, 0, 1]),
        ("1.5 2 2", "auto", (), [1.5, 2, 2]),
        ("1.5 2 2", "classes", ("1.5", "2"), [0, 1, 1]),
        ("10 9 10", "numbers", (), [10, 9, 10]),
        ("no yes no", "auto", ("no", "yes"), [0, 1, 0]),
    ],
)
def test_what_the_target_is(
    tmp_path: Path, cells: str, answer: str, classes: tuple[str, ...], y: list[float]
) -> None:
    text = "x,y\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells.split()))
    rows = Table(written(tmp_path, text), target="y", answer=answer).read()
    assert rows.classes == classes and rows.data.y.tolist() == y
    assert rows.data.num_classes == (len(classes) or None)


def test_a_stated_kind_holds(tmp_path: Path) -> None:
    rows = Table(written(tmp_path), **ROLES, categories=("age",)).read()
    assert "age: 30" in rows.inputs and rows.kinds["age"] == "category"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=3, max_size=20))
def test_a_column_of_numbers_is_standardised_whatever_is_missing(cells: list[float | None]) -> None:
    numbers = np.array([np.nan if cell is None else round(cell, 3) for cell in cells])
    other = Column("number", np.arange(len(cells), dtype=float))
    x, names = encoded({"other": other, "own": Column("number", numbers)})
    assert np.isfinite(x).all() and len(names) == x.shape[1]
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-3)
    assert ("own is missing" in names) == (np.isnan(numbers).any() and not np.isnan(numbers).all())


def test_separators_and_marks_of_other_programs(tmp_path: Path) -> None:
    file = tmp_path / "de.csv"
    file.write_bytes("\ufeffa;b\r\n 1 ;Genf, See\r\n".encode())
    assert {k: v.tolist() for k, v in read_table(file).columns.items()} == {
        "a": ["1"],
        "b": ["Genf, See"],
    }


def column(cells: list[str], target: str = "y") -> str:
    """A table of one column besides a target of two classes."""
    rows = "".join(f"{cell},{'ab'[i % 2]}\n" for i, cell in enumerate(cells))
    return f"x,{target}\n{rows}"


@pytest.mark.parametrize(
    ("odd", "others", "kind"),
    [
        (["<0.3", "n.d."], [f"{i}.5" for i in range(18)], "numbers"),
        (["unknown", "?.3.24"], [f"2024-03-{i:02}" for i in range(1, 19)], "dates"),
    ],
)
def test_a_few_odd_cells_are_named(
    tmp_path: Path, odd: list[str], others: list[str], kind: str
) -> None:
    """One `<0.3` must not turn a column of numbers into categories without a word."""
    file = written(tmp_path, column([others[0], odd[0], *others[1:], odd[1]]))
    said = rf"'x' holds {kind} in 18 of 20 cells.*{re.escape(repr(odd[0]))} \(line 3\), "
    said += rf"{re.escape(repr(odd[1]))} \(line 21\)\. Write {kind} there.*--category x$"
    with pytest.raises(ValueError, match=said):
        Table(file, target="y").read()
    assert Table(file, target="y", categories=("x",)).read().kinds == {"x": "category"}
    file.write_text(file.read_text().replace(odd[0], "").replace(odd[1], "?"))
    found = Table(file, target="y").read().columns["x"]
    assert (found.kind, found.values, found.missing) == (kind.removesuffix("s"), 18, 2)


def test_many_odd_cells_are_counted(tmp_path: Path) -> None:
    file = written(tmp_path, column([*(f"{i}" for i in range(45)), *"vwxyz"]))
    with pytest.raises(ValueError, match=r"'v' \(line 47\), 'w' .*, 'x' \(line 49\), 2 more\."):
        Table(file, target="y").read()


def test_codes_of_which_some_are_numbers_are_categories(tmp_path: Path) -> None:
    file = written(tmp_path, column([*(f"{i % 9}" for i in range(17)), "V1", "V2"]))
    assert Table(file, target="y").read().kinds == {"x": "category"}


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ('"{},5"', r"'x' holds numbers with commas, such as '1,5': write 1234\.5 for 1\.234,5"),
        ('"-{}.234,5"', r"'x' holds numbers with commas, such as '-1\.234,5': write 1234\.5"),
        ('"{},234.50"', r"'x' holds numbers with commas, such as '1,234\.50': write 1234\.5"),
        ("{}.03.2024", r"'x' holds dates, such as '1.03.2024': write them as 2024-03-01"),
        ("{}.03.2024 14:05", r"'x' holds dates, such as '1.03.2024 14:05': write them as"),
        ("{}/3/24", r"'x' holds dates, such as '1/3/24': write them as 2024-03-01"),
        ("{}-03-2024", r"'x' holds dates, such as '1-03-2024': write them as 2024-03-01"),
        ("2024/03/{}", r"'x' holds dates, such as '2024/03/1': write them as 2024-03-01"),
    ],
)
def test_forms_of_other_countries_are_no_categories(tmp_path: Path, form: str, said: str) -> None:
    file = written(tmp_path, column([*(form.format(i) for i in range(1, 10)), "none"]))
    with pytest.raises(ValueError, match=said + r".*--category x$"):
        Table(file, target="y").read()
    assert Table(file, target="y", categories=("x",)).read().kinds == {"x": "category"}


def test_all_columns_that_are_wrong_are_named_at_once(tmp_path: Path) -> None:
    rows = "".join(f'"{i},5",{i}.3.24,{i},{i % 2}\n' for i in range(1, 10))
    with pytest.raises(ValueError, match=r"'a' holds numbers with commas.*\n.*'b' holds dates"):
        Table(written(tmp_path, "a,b,c,y\n" + rows), target="y").read()


def test_seconds_and_time_zones_count(tmp_path: Path) -> None:
    cells = [f"2024-03-01 12:00:{i:02}" for i in range(30)]
    cells += [f"2024-03-01 {i:02}:00:00+{i:02}:00" for i in range(1, 10)]
    found = Table(written(tmp_path, column(cells[:30])), target="y").read().columns["x"]
    assert (found.kind, found.values) == ("date", 30)
    np.testing.assert_allclose(np.diff(found.cells) * 86_400, 1, atol=1e-3)
    found = Table(written(tmp_path, column(cells[29:])), target="y").read().columns["x"]
    assert (found.kind, found.values) == ("date", 2)


def test_numbers_with_and_without_commas_are_no_categories(tmp_path: Path) -> None:
    file = written(tmp_path, column([*(f"{i}" for i in range(5)), *(f'"{i},5"' for i in range(5))]))
    with pytest.raises(ValueError, match=r"'x' holds numbers with commas, such as '0,5'"):
        Table(file, target="y").read()


@pytest.mark.parametrize(
    ("form", "said"), [('"{},5"', "numbers with commas, such as '0,5'"), ("{}.3.24", "dates")]
)
def test_forms_of_other_countries_are_no_classes(tmp_path: Path, form: str, said: str) -> None:
    file = written(tmp_path, "x,y\n" + "".join(f"{i},{form.format(i)}\n" for i in range(9)))
    with pytest.raises(ValueError, match=f"the target 'y' holds {said}.*--answer classes$"):
        Table(file, target="y").read()
    assert len(Table(file, target="y", answer="classes").read().classes) == 9


def test_odd_cells_of_the_target_are_named(tmp_path: Path) -> None:
    file = written(tmp_path, "x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(9)) + "9,?1\n")
    with pytest.raises(ValueError, match=r"'y' is a number in 9 of 10 rows.*'\?1' \(line 11\).*"):
        Table(file, target="y").read()
    assert Table(file, target="y", answer="classes").read().classes == ("0", "1", "?1")


LONG = "".join(f"{i},name {i},{i % 2}\n" for i in range(60))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (PEOPLE, {"target": "il"}, "the target 'il' is unknown; did you mean 'ill'"),
        (PEOPLE, {"target": "ill", "id": "patent"}, "id 'patent' .* did you mean 'patient'"),
        (PEOPLE, {"target": "ill", "ignore": ("wait",)}, "ignore 'wait' is unknown"),
        (PEOPLE, {"target": "ill", "id": "ill"}, "cannot be the id, the owner or ignored"),
        (PEOPLE, {"target": "constant"}, "is 'x' in all rows: there is nothing to predict"),
        (PEOPLE, {"target": "weight"}, "'weight' is missing in 1 rows, the first at line 3"),
        (PEOPLE, {"target": "ill", "id": "owner"}, "'1' is at lines 2 and 3: of several rows a"),
        (PEOPLE, {"target": "ill", "owner": "age"}, "owner 'age' is missing at line 3"),
        (PEOPLE, {"target": "ill", "id": "age"}, "id 'age' is missing at line 3"),
        (PEOPLE, {"target": "ill", "numbers": ("town",)}, "stated to hold numbers, and has 'Bern'"),
        (
            PEOPLE,
            {"target": "ill", "numbers": ("age",), "categories": ("age",)},
            "cannot hold both numbers and categories",
        ),
        (PEOPLE, {"target": "ill", "answer": "numbers"}, "must hold finite numbers, and has 'no'"),
        ("1,2,a\n3,4,b\n", {}, "no header: .* column 1 of it is the number 1"),
        (",x\n0,1\n", {}, "column 1 has no name"),
        ("x,x\n0,1\n", {}, "two columns are called 'x'"),
        ("x,y\n1,a\n2,b,c\n", {"target": "y"}, "line 3 has 3 cells, and the header names 2"),
        ("x,y\n", {"target": "y"}, "there are no rows below the header"),
        ("", {}, "the file is empty"),
        ('x,y\n"1,a\n', {"target": "y"}, "line 2 is no CSV"),
        ("x,y\ninf,a\n2,b\n", {"target": "y"}, "column 'x' has infinite numbers"),
        ("y\na\nb\n", {"target": "y"}, "no column besides the target"),
        ("x,y\n1,a\n1,b\n", {"target": "y"}, "no column besides the target has two different"),
        (
            "n,full name,y\n" + LONG,
            {"target": "y"},
            "60 different texts in 60 rows.* names each row, .*--id 'full name'.*--ignore 'full",
        ),
        (
            "n,name,y\n" + LONG + "60,name 1,1\n",
            {"target": "y"},
            "60 different texts in 61 rows.* whose a row is, .*--owner name.*--ignore name",
        ),
    ],
)
def test_what_is_refused(
    tmp_path: Path, text: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Table(written(tmp_path, text), **options).load()


def test_places_that_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no such file"):
        Table(tmp_path / "none.csv").load()
    with pytest.raises(ValueError, match="say where with --data"):
        Table().load()
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"no text in UTF-8: .*: iconv -f cp1252 -t utf-8 bytes"):
        Table(tmp_path / "bytes.csv").load()


def test_a_study_of_a_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{a:.4f},{'xyz'[int(b)]},{int(a > 0.5)}" for a, b in rng.random((80, 2)) * [1, 3]]
    study = Study(
        name="table",
        data=Table(written(tmp_path, "a,b,y\n" + "\n".join(rows)), target="y"),
        model=mlp([4], num_classes=2),
        split=Balanced(models=4),
        recipes=(undefended(1),),
        batch_size=16,
        attacks=("loss",),
        compared="loss",
        resamples=10,
    )
    results = run(study, tmp_path / "run")
    assert results["data"]["name"] == "people.csv" and results["data"]["classes"] == 2
