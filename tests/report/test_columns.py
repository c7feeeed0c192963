"""How the columns of a table are read, before anything is trained."""

from pathlib import Path
from typing import Any

import pytest

from pptp_jax.data import Table
from pptp_jax.report import render_columns


def test_each_kind_has_a_line(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "patient,doctor,age,town,seen,note,clinic,ill\n"
        "a,1,30,Bern,2024-03-01,x,A,no\n"
        "b,1,n/a,Chur,2024-03-02,y,A,yes\n"
        "c,2,50,,2024-03-02,z,A,no\n"
    )
    table = Table(file, target="ill", id="patient", owner="doctor", ignore=("note",))
    assert render_columns(table, table.read()).splitlines() == [
        "people.csv: 3 rows; columns, with their number of values, are read as",
        "  target      ill (2 classes: no, yes)",
        "  numbers     age (2, 1 missing)",
        "  dates       seen (2)",
        "  categories  town (2, 1 missing)",
        "  no input    note (ignored), patient (id), doctor (owner), clinic (one value)",
    ]


def test_lines_fit_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    names = [f"measurement {i}" for i in range(42)]
    rows = [",".join([*(f"{i}" for _ in names), "c" * 30 + str(i)]) for i in range(4)]
    file.write_text("\n".join([",".join([*names, "y"]), *rows]))
    table = Table(file, target="y")
    lines = render_columns(table, table.read()).splitlines()
    assert all(len(line) <= 80 for line in lines)
    text = " ".join(" ".join(lines).split())
    assert "numbers measurement 0 (4), measurement 1 (4)," in text
    assert text.endswith("measurement 39 (4), and 2 more")


HOLDER = (
    "note: holder has 60 texts, 2.5 rows each: if it says whose a row is, give it as the owner: "
    "--owner holder"
)


@pytest.mark.parametrize(
    ("options", "notes"),
    [
        (
            {"ignore": ("number",)},
            "note: claim id has another integer in every row: if it names rows, give it as the id: "
            f"--id 'claim id' {HOLDER}",
        ),
        (
            {"id": "claim id"},
            "note: number has another integer in every row: if it names rows, leave it out: "
            f"--ignore number {HOLDER}",
        ),
        ({"id": "claim id", "ignore": ("number",), "owner": "holder"}, ""),
    ],
)
def test_columns_of_identities_have_a_note(
    tmp_path: Path, options: dict[str, Any], notes: str
) -> None:
    file = tmp_path / "claims.csv"
    rows = [f"{900 + i},{i},{i / 4},{i // 2},h{i % 60},t{i % 50},{'yn'[i % 2]}" for i in range(150)]
    file.write_text("\n".join(["claim id,number,amount,visits,holder,town,ill", *rows]))
    table = Table(file, target="ill", **options)
    lines = render_columns(table, table.read()).splitlines()
    assert all(len(line) <= 80 for line in lines)
    text = " ".join(" ".join(lines).split())
    assert text[text.find("note: ") :] == notes if notes else "note: " not in text
