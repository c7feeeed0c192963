"""`pptp table`."""

import json
from pathlib import Path

import numpy as np
import pytest
from invoking import named, pptp

MINE = """
from sklearn.tree import DecisionTreeClassifier

class Interrupted(DecisionTreeClassifier):
    fits = 0
    def fit(self, x, y):
        Interrupted.fits += 1
        if Interrupted.fits == STOP:
            raise KeyboardInterrupt
        return super().fit(x, y)

model = Interrupted()
"""
HEADER = "name,town,age,ill"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(0)
    rows = [f"P{i},{'ab'[i % 2]},{rng.normal():.3f},{'yn'[rng.integers(2)]}" for i in range(60)]
    (tmp_path / "people.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


FEW = ("--models", 4, "--resamples", 10, "--attack", "loss", "--attack", "rmia_online")


def test_a_table_becomes_a_report(home: Path) -> None:
    result = pptp(
        "table",
        "people.csv",
        "--target",
        "ill",
        "--id",
        "name",
        *FEW,
        "--model",
        "logistic",
        "--jobs",
        2,
    )
    assert result.exit_code == 0, result.output
    heading = "people: 4 models, 4 of them attacked, on 60 examples, 30 members each"
    before = result.stdout.partition(f"{heading}\n")[0]
    assert before.startswith("warning: these models have learned nothing")  # labels are coins
    out = home / "runs" / "people"
    # The terminal has the columns that fit, the file all.
    assert all(len(line) <= 100 for line in result.stdout.splitlines())
    whole = (out / "table.txt").read_text()
    assert "TPR@0.1%" in whole and "TPR@0.1%" not in result.stdout
    verdict = result.stdout.partition("\nWhat leaks   ")[2]
    assert (
        "\nNext         " in verdict and "\nNote         This judges a way of training" in verdict
    )
    columns = result.stderr.splitlines()[:5]
    assert columns[0] == "people.csv: 60 rows; columns, with their number of values, are read as"
    assert columns[1:] == [
        "  target      ill (2 classes: n, y)",
        "  numbers     age (60)",
        "  categories  town (2)",
        "  no input    name (id)",
    ]
    assert "without the model:" in result.stdout and "copies:" in result.stdout
    for name in ("roc.png", "report.html", "scores/given.npz", "combined/given.csv", "models"):
        assert (out / name).exists()
    readme = (out / "README.md").read_text()
    assert all(f"- `{name}`: " in readme for name in named(out))
    header = (out / "combined" / "given.csv").read_text().splitlines()[0].split(",")
    page = (Path(__file__).parents[2] / "docs" / "run_directory.md").read_text()
    assert all(f"`{column}`" in page for column in header)
    assert all(f"`{column}`" in readme for column in header if "without" not in column)
    results = json.loads((out / "results.json").read_text())
    assert results["command"] in readme and "--jobs" not in results["command"]
    assert results["config"]["model"]["estimator"] == "LogisticRegression(max_iter=2000)"
    # The page begins as the terminal ends, and lists no value of a category.
    summary = (out / "report.html").read_text().partition("</ul>")[0]
    assert "<li>What leaks: " in summary and "<li>Next: " in summary
    assert "<li>Note: This judges a way of training: logistic on random halves" in summary
    assert isinstance(results["config"]["inputs"], int)


def test_a_warning_on_few_rows_comes_first(home: Path) -> None:
    lines = (home / "people.csv").read_text().splitlines()
    (home / "people.csv").write_text("\n".join(lines[:39]))
    result = pptp("table", "people.csv", "--target", "ill", "--ignore", "name", *FEW)
    assert result.stdout.startswith("warning: there are only 19 members of a target: the interv")
    assert "Mind the warnings." in " ".join(result.stdout.split())
    assert (home / "runs" / "people" / "table.txt").read_text().startswith("warning: there are ")


def test_odd_cells_are_refused_before_training(home: Path) -> None:
    text = (home / "people.csv").read_text().splitlines()
    text[7] = "P6,a,<0.3,y"
    (home / "people.csv").write_text("\n".join(text))
    args = ("table", "people.csv", "--target", "ill", "--id", "name", *FEW)
    result = pptp(*args)
    assert result.exit_code == 1 and not Path("runs").exists()
    assert "column 'age' holds numbers in 59 of 60 cells" in result.stderr
    assert "'<0.3' (line 8)" in result.stderr and "--category age" in result.stderr


def test_another_target_does_not_write_over_a_report(home: Path) -> None:
    args = ("table", "people.csv", "--ignore", "name", *FEW, "--model", "logistic")
    assert pptp(*args, "--target", "ill").exit_code == 0
    kept = (home / "runs" / "people" / "results.json").read_bytes()
    result = pptp(*args, "--target", "town")
    assert result.exit_code == 1
    assert "holds the report of `pptp table people.csv --target ill --model log" in result.stderr
    assert (home / "runs" / "people" / "results.json").read_bytes() == kept
    misspelt = pptp(*args, "--target", "il")
    assert "did you mean 'ill'" in misspelt.stderr
    again = pptp(*args, "--target", "ill", "--seed", 1)
    assert again.exit_code == 0, again.stderr


def test_a_file_of_the_same_name_elsewhere_does_not_write_over_a_report(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (home / "people.csv").read_text().splitlines()
    for place, kept in (("a", lines), ("b", lines[:50])):
        (home / place).mkdir()
        (home / place / "people.csv").write_text("\n".join(kept))
    args = ("--target", "ill", "--ignore", "name", *FEW, "--model", "logistic", "--out", home / "r")
    monkeypatch.chdir(home / "a")
    assert pptp("table", "people.csv", *args).exit_code == 0
    monkeypatch.chdir(home / "b")
    assert "holds the report of" in pptp("table", "people.csv", *args).stderr
    assert pptp("table", home / "a" / "people.csv", *args).exit_code == 0


def test_attacks_that_a_table_cannot_have_are_refused_before_training(home: Path) -> None:
    args = ("table", "people.csv", "--target", "ill", "--ignore", "name", "--models", 4)
    for name in ("lira_online", "min_k"):
        result = pptp(*args, "--attack", name)
        assert result.exit_code == 1 and not Path("runs").exists()
        assert f"{name}: not possible of a table with 4 models, of which every" in result.stderr


def test_the_network_is_called_by_its_name(home: Path) -> None:
    args = ("table", "people.csv", "--target", "ill", "--ignore", "name", *FEW, "--model", "mlp")
    told = " ".join(pptp(*args).stdout.split())
    assert "This judges a way of training: mlp on random halves" in told


def test_an_interrupted_audit_goes_on(home: Path) -> None:
    def run(module: str, stop: int, out: str) -> tuple[int, str]:
        (home / f"{module}.py").write_text(MINE.replace("STOP", str(stop)))
        args = ("--target", "ill", "--ignore", "name", "--out", out, *FEW, "--jobs", 1)
        result = pptp("table", "people.csv", "--model", f"{module}:model", *args)
        return result.exit_code, result.output

    code, said = run("own_tree", 3, "out")
    assert code == 130 and "the same command goes on from here" in said
    assert not Path("out/results.json").exists()
    code, said = run("own_tree", 0, "out")
    assert code == 0 and "2 of 4 models were finished before" in said, said
    code, said = run("own_tree", 0, "plain")
    assert code == 0 and "finished before" not in said
    rows = [json.loads(Path(f"{out}/results.json").read_text())["rows"] for out in ("out", "plain")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("people.csv", "Missing option '--target'"),
        ("none.csv --target ill", "none.csv' does not exist."),
        ("people.csv --target il", "the column of the target 'il' is unknown; did you mean 'ill'?"),
        ("people.csv --target ill", "'name' has 60 different texts in 60 rows"),
        (
            "people.csv --target ill --id town --ignore name",
            "the id 'town' must name each row once, and 'a' is",
        ),
        ("people.csv --target ill --id name --models 3", "models must be an integer of at le"),
        ("people.csv --target ill --id name --models 7", "models must be even, so that each"),
        ("people.csv --target ill --id name --model forest", "did you mean 'random_forest'?"),
        ("people.csv --target ill --id name --model no:tree", "ModuleNotFoundError"),
        (
            "people.csv --target ill --id name --model sub/mine.py",
            "say mine:model, in the directory where the file lies. It must define `model`: an est",
        ),
        ("people.csv --target ill --id name --model mine", "MODULE:NAME, where the module defin"),
        ("people.csv --target age --id name --model mlp", "'age' is a number, and mlp answers"),
        ("people.csv --target ill --id name --attack lyra", "'lyra' is unknown"),
        ("people.csv --target ill --id name --out there", "there holds no run, but report.html"),
        ("constant.csv --target y", "the target 'y' is 'a' in all rows: there is nothing to pre"),
        ("empty.csv --target y", "the target 'y' is missing in 1 rows, the first at line 2"),
        ("rare.csv --target y", "the class 'b' of 'y' has 1 rows, and each needs 10 at least"),
        ("bare.csv --target y", "there is no header"),
        ("ragged.csv --target y", "line 3 has 3 cells, and the header names 2 columns"),
    ],
)
def test_wrong_arguments(home: Path, args: str, message: str) -> None:
    (home / "constant.csv").write_text("x,y\n1,a\n2,a\n")
    (home / "empty.csv").write_text("x,y\n1,\n2,a\n")
    (home / "rare.csv").write_text("x,y\n" + "".join(f"{i},a\n" for i in range(20)) + "1,b\n")
    (home / "bare.csv").write_text("1,2\n3,4\n")
    (home / "ragged.csv").write_text("x,y\n1,a\n2,b,c\n")
    (home / "there").mkdir()
    (home / "there" / "report.html").write_text("")
    result = pptp("table", *args.split())
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output and not [*home.rglob("models")]
