"""`pptp compare`."""

import json
import shutil
from pathlib import Path

import pytest
from invoking import pptp


@pytest.fixture(scope="module")
def runs(study: Path) -> Path:
    home = study.parent
    for name, changes in (
        ("a", []),
        ("b", ["model.hidden=16"]),
        ("fewer", ["models=4"]),
        ("other", ["seed=1"]),
    ):
        options = [part for change in changes for part in ("--set", change)]
        result = pptp("run", study, "--out", home / name, "--strategy", "scan", *options)
        assert result.exit_code == 0, result.output
    return home


def said(*args: object) -> str:
    """What a command prints, without the breaks of its lines."""
    return " ".join(pptp(*args).stdout.split())


@pytest.mark.parametrize("columns", [40, 80, 100, 200])
def test_the_comparison_fits_the_terminal(
    runs: Path, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(runs)
    shown = pptp("compare", "a", "b").stdout
    assert max(map(len, shown.splitlines())) <= min(max(columns, 80), 100)
    assert "test accuracy" in shown and "TPR@1%" in shown and "…" not in shown
    assert ("TPR@0.1%" in shown) == (columns >= 100)


def test_methods_are_compared_at_equal_strength(runs: Path) -> None:
    found = json.loads(pptp("compare", runs / "a", runs / "b", "--json").stdout)
    assert found["unmatched"] is None
    assert found["config"] == [{"key": "model.hidden", "a": [8], "b": [16]}]
    pairs = {(pair["a"], pair["b"]) for pair in found["comparisons"]}
    assert pairs == {
        ("early stopping (a)", "early stopping (b)"),
        ("freeze stem (a)", "freeze stem (b)"),
        ("freeze stem (a)", "tuned rivals"),
        ("freeze stem (b)", "tuned rivals"),
    }
    # Of one point, so the best accuracies differ as the rows do.
    [pair] = [
        pair
        for pair in found["comparisons"]
        if (pair["b"], pair["statistic"]) == ("freeze stem (b)", "auc")
    ]
    accuracy = {
        row["run"]: row["utility"]["value"]
        for row in found["rows"]
        if row["slug"].startswith("freeze")
    }
    assert pair["best"]["value"] == pytest.approx(accuracy["a"] - accuracy["b"])
    aucs = {row["run"]: row["auc"]["value"] for row in found["rows"] if "freeze" in row["slug"]}
    assert [ends[0] for ends in pair["ranges"]] == pytest.approx([aucs["a"], aucs["b"]])
    shown = said("compare", runs / "a", runs / "b")
    assert "model.hidden" in shown and "[16]" in shown and pair["verdict"] in shown


def test_the_rivals_are_those_of_both_runs(runs: Path) -> None:
    found = json.loads(pptp("compare", runs / "a", runs / "b", "--json").stdout)
    plain = [row for row in found["rows"] if row["slug"] == "undefended_1"]
    assert [row["run"] for row in plain] == ["a", "b"]
    best = max(row["utility"]["value"] for row in plain)
    weakest = min(row["auc"]["value"] for row in plain)
    against = [
        p for p in found["comparisons"] if (p["b"], p["statistic"]) == ("tuned rivals", "auc")
    ]
    for pair, side in zip(against, "ab", strict=True):
        [own] = [r for r in found["rows"] if "freeze" in r["slug"] and r["run"] == side]
        assert pair["best"]["value"] == pytest.approx(own["utility"]["value"] - best)
        assert pair["ranges"][1][0] == pytest.approx(weakest)


def test_the_settings_of_a_run_are_ranked(runs: Path) -> None:
    found = json.loads(pptp("choose", runs / "a", "--json").stdout)
    assert [own["recipe"] for own in found["ranking"]] == ["freeze_1+1_stem"]


def test_other_members_are_put_beside_each_other(runs: Path) -> None:
    shown = said("compare", runs / "a", runs / "fewer")
    assert "no comparison at equal attack strength: the models of the two runs have different" in (
        shown
    )
    assert "split.models" in shown


def test_what_cannot_be_compared_is_refused(runs: Path, tmp_path: Path) -> None:
    def refused(a: Path, b: Path) -> str:
        result = pptp("compare", a, b)
        assert result.exit_code == 1 and "Traceback" not in result.output
        return result.stderr

    assert "the runs are of different examples" in refused(runs / "a", runs / "other")
    assert "is one run; give the directories of two" in refused(runs / "a", runs / "a")
    assert "has no results.json" in refused(runs / "a", tmp_path)
    lost = tmp_path / "lost"
    shutil.copytree(runs / "b", lost)
    (lost / "scores" / "undefended_1.npz").unlink()
    assert "has lost the scores of undefended_1" in refused(runs / "a", lost)
    (tmp_path / "results.json").write_text('{"rows": []}')
    of_table = refused(runs / "a", tmp_path)
    assert "holds an audit of signals (`pptp table` or `pptp audit`), and" in of_table
    assert "compare the verdicts and reports of two audits by eye" in of_table


def test_what_is_damaged_is_named(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "b", tmp_path / "b")
    results = json.loads((runs / "b" / "results.json").read_text())

    row = results["rows"][0]

    def refused() -> str:
        result = pptp("compare", runs / "a", tmp_path / "b")
        assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
        return result.stderr

    for change, named in (
        ({"config": None}, "its configuration lacks resamples"),
        ({"data": {"name": "digits"}}, "what it says of data lacks examples"),
        ({"rows": [{"slug": "undefended_1"}]}, "lacks attacks"),
        ({"rows": None}, "holds no rows"),
        ({"rows": [row | {"utility": {"value": 0.5}}]}, "utility lacks low"),
        ({"rows": [row | {"attacks": {"loss": {}}}]}, "an attack lacks auc"),
    ):
        (tmp_path / "b" / "results.json").write_text(json.dumps(results | change))
        assert named in refused()
    (tmp_path / "b" / "results.json").write_text(json.dumps(results))
    for name in ("membership.npy", "utility/undefended_1.npy"):
        path = tmp_path / "b" / "signals" / name
        path.unlink()
        assert f"{name} is lost or damaged" in refused()
        path.write_text("no array")
        assert f"{name} is lost or damaged" in refused()
        path.unlink()
        shutil.copy(runs / "b" / "signals" / name, path)
    assert pptp("compare", runs / "a", tmp_path / "b").exit_code == 0


def test_an_attack_that_was_not_possible_is_no_damage(runs: Path, study: Path) -> None:
    """LiRA online needs two IN and two OUT shadows beside the target: two models are too few."""
    few = ("--strategy", "scan", "--set", "models=2")
    for name, hidden in (("two", 8), ("two more", 16)):
        options = (*few, "--set", f"model.hidden={hidden}", "--out", runs / name)
        assert pptp("run", study, *options).exit_code == 0
    result = pptp("compare", runs / "two", runs / "two more")
    assert result.exit_code == 0, result.output
    sentence = "two has no LiRA: this attack needs at least 2 IN shadows"
    assert sentence in " ".join(result.stdout.split())


def test_recipes_that_could_not_be_attacked_are_left_out(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "b", tmp_path / "b")
    path = tmp_path / "b" / "results.json"
    results = json.loads(path.read_text())
    row = results["rows"][0]
    row["attacks"]["lira_online"] = {
        metric: dict.fromkeys(("value", "low", "high")) for metric in row["attacks"]["lira_online"]
    }
    row["notes"].append("lira_online: every shadow diverged")
    path.write_text(json.dumps(results))
    found = json.loads(pptp("compare", runs / "a", tmp_path / "b", "--json").stdout)
    assert {pair["a"] for pair in found["comparisons"]} == {"freeze stem (a)"}
    [sentence] = found["left_out"]
    assert sentence.endswith("has no LiRA: every shadow diverged")
    assert sentence in said("compare", runs / "a", tmp_path / "b")
