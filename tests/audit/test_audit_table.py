"""From a table to a report: who is found, under which name, and what is refused before training."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pptp_jax.audit import AuditReport, TableAudit, audit_signals, audit_table
from pptp_jax.data import Balanced, Table
from pptp_jax.fleets import Runtime, estimator_fleet

RNG = np.random.default_rng(0)
COUNT = 121
TREE = DecisionTreeClassifier(max_depth=6)
FEW: dict[str, Any] = {"models": 4, "attacks": ("loss", "rmia_online"), "resamples": 20}


def people(path: Path) -> Path:
    file = path / "people.csv"
    lines = ["name,owner,age,income,group,ill"]
    for i in range(COUNT):
        age, income = RNG.normal(size=2)
        lines.append(f"P{i},o{i // 2},{age:.4f},{income:.4f},{i % 3},{'yn'[RNG.integers(2)]}")
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return people(tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="module")
def table(file: Path) -> Table:
    return Table(file, target="ill", id="name", ignore=("owner",))


@pytest.fixture(scope="module")
def run(table: Table, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("run") / "out"
    said: list[str] = []
    results = audit_table(
        TableAudit(data=table, model=TREE, **FEW),
        AuditReport(out, "people"),
        runtime=Runtime(log=said.append),
    )
    columns, left_out, trained = said
    assert columns.startswith("people.csv: 121 rows; columns, ")
    assert left_out == "1 of 121 rows take part in no model"
    assert re.fullmatch(r"4 models are ready \(.* s\); the attacks on them follow", trained)
    return out, results


def test_it_is_the_audit_of_what_estimators_answer(
    table: Table, run: tuple[Path, dict[str, Any]]
) -> None:
    out, results = run
    with np.load(out / "scores" / "given.npz") as stored:
        membership, ids = stored["membership"], stored["ids"]
    data = table.load()
    place = {name: i for i, name in enumerate(data.ids.tolist())}
    rows = np.array([place[name] for name in ids.tolist()])
    assert len(rows) == 120 and (np.diff(rows) > 0).all()
    assert (membership.sum(axis=0) == 2).all() and (membership.sum(axis=1) == 60).all()
    np.testing.assert_array_equal(membership, Balanced(models=4).draw(120, seed=0).matrix)
    fleet = estimator_fleet(TREE, data.x[rows], data.y[rows], membership)
    again = audit_signals(
        *({"logits": fleet.log_probabilities}, membership, data.y[rows]),
        attacks=FEW["attacks"],
        resamples=20,
        inputs=data.x[rows],
    )
    [ours], [theirs] = results["rows"], again["rows"]
    assert ours["attacks"] == theirs["attacks"] and results["blind"] == again["blind"]
    assert ours["attacks"]["loss"]["auc"]["low"] > 0.6  # labels are coins: all else is memorised
    inside = (fleet.answers.argmax(axis=-1) == data.y[rows])[~membership].mean()
    assert ours["utility"]["value"] == pytest.approx(inside)


def test_records_keep_their_names(file: Path, run: tuple[Path, dict[str, Any]]) -> None:
    out, results = run
    with (out / "combined" / "given.csv").open() as lines:
        found = [*csv.DictReader(lines)]
    with file.open() as lines:
        known = {row["name"]: row for row in csv.DictReader(lines)}
    assert len(found) == 120 and {one["record"] for one in found} <= set(known)
    classes = results["config"]["classes"]
    assert all(classes[int(one["label"])] == known[one["record"]]["ill"] for one in found)
    page = json.loads((out / "report.json").read_text())
    assert {one["id"] for one in page["riskiest"]["given"]} <= set(known)
    assert "DecisionTreeClassifier(max_depth=6)" in (out / "report.html").read_text()
    assert "trained on people.csv (DecisionTreeClassifier)" in (out / "README.md").read_text()


def test_a_model_that_ignores_its_members_gives_nothing_away(table: Table) -> None:
    constant = DummyClassifier(strategy="uniform")
    results = audit_table(TableAudit(data=table, model=constant, **FEW))
    assert results["rows"][0]["attacks"]["loss"]["auc"]["value"] == pytest.approx(0.5)


def test_owners_are_in_or_out_with_all_their_rows(file: Path) -> None:
    table = Table(file, target="ill", id="name", owner="owner")
    few = FEW | {"models": 6, "attacks": ("lira_online",)}
    results = audit_table(TableAudit(data=table, model=TREE, **few))
    [row] = results["rows"]
    assert row["owners"]["attacks"]["lira_online"]["sum"]["auc"]["value"] > 0.5
    assert results["data"]["examples"] % 4 == 0 and "owner" not in results["config"]["columns"]


def test_a_target_of_numbers(file: Path, tmp_path: Path) -> None:
    table = Table(file, target="income", id="name", ignore=("owner",))
    tree = DecisionTreeRegressor(min_samples_leaf=2)
    results = audit_table(TableAudit(data=table, model=tree, **FEW), AuditReport(tmp_path / "out"))
    errors = results["config"]["mean_squared_error"]
    assert errors["members"] < errors["nonmembers"]
    assert results["rows"][0]["attacks"]["loss"]["auc"]["low"] > 0.6


def test_the_least_probability_is_the_attacker_s_choice(table: Table) -> None:
    found = [
        audit_table(TableAudit(data=table, model=TREE, least_probability=least, **FEW))
        for least in (None, 1 / 120, 1e-9)
    ]
    assert [one["config"]["least_probability"] for one in found] == [1 / 120, 1 / 120, 1e-9]
    own, same, other = (one["rows"][0]["attacks"]["rmia_online"] for one in found)
    assert own == same != other


@pytest.mark.slow
def test_our_network_goes_on_where_it_stopped(table: Table, tmp_path: Path) -> None:
    audit = TableAudit(data=table, model="mlp", **FEW)
    first = audit_table(audit, AuditReport(tmp_path / "out"))
    said: list[Any] = []
    runtime = Runtime(on_progress=lambda recipe, progress: said.append(recipe))
    again = audit_table(audit, AuditReport(tmp_path / "out"), runtime=runtime)
    assert not said and first["rows"] == again["rows"]
    assert first["rows"][0]["train_utility"]["value"] > first["rows"][0]["utility"]["value"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": 3}, "models must be an integer of at least 4, got 3"),
        ({"models": 5}, "models must be even, so that each example is in half of them"),
        ({"model": "forest"}, "model 'forest' is unknown; did you mean 'random_forest'"),
        ({"model": "nowhere:tree"}, "cannot be made: ModuleNotFoundError"),
        ({"model": "sklearn.tree:Tree"}, "cannot be made: AttributeError"),
        ({"attacks": "loss"}, "attacks must be a tuple"),
        ({"attacks": ("lyra_online",)}, "'lyra_online' is unknown"),
        ({"data": "people.csv"}, "data must be Table"),
        ({"least_probability": 0.0}, "least_probability must be a finite number above 0, got 0"),
        ({"least_probability": 2.0}, "least_probability must lie between 0 and 1, got 2"),
    ],
)
def test_what_is_refused(
    table: Table, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        audit_table(TableAudit(**{"data": table, **options}), AuditReport(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_tables_that_are_refused(file: Path, tmp_path: Path) -> None:
    lines = file.read_text().splitlines()
    rare = tmp_path / "rare.csv"
    rare.write_text("\n".join([*lines, "Q,o,1,1,0,unclear"]))
    with pytest.raises(ValueError, match="the class 'unclear' of 'ill' has 1 rows, and each needs"):
        audit_table(TableAudit(data=Table(rare, target="ill", id="name", ignore=("owner",))))
    table = Table(file, target="age", ignore=("name", "owner"))
    with pytest.raises(ValueError, match="the target 'age' is a number, and mlp answers with cla"):
        audit_table(TableAudit(data=table, model="mlp"))
