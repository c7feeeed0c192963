"""`pptp search`."""

import json
from pathlib import Path

import pytest
from invoking import pptp

SEARCH = """
from pptp_jax.data import Balanced, Digits
from pptp_jax.models import mlp
from pptp_jax.study import Between, MostUtility, Search, Study
from pptp_jax.training import early_stopped

study = Study(
    name="tiny", data=Digits(), model=mlp([8], num_classes=10), split=Balanced(models=6),
    examples=240, batch_size=40, resamples=20, recipes=(early_stopped(1),), attacks=("loss",),
    compared="loss", combine=False,
)
search = Search(
    study=study, recipe=early_stopped, space={"epochs": Between(low=2, high=6)},
    objective=MostUtility(most_auc=1.0), trials=5,
)
"""


@pytest.fixture
def search(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SEARCH)
    return path


def test_a_search_by_command(search: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = pptp("search", search, "--trials", 2, "--out", out)
    assert done.exit_code == 0, done.output
    results = json.loads((out / "search.json").read_text())
    assert len(results["trials"]) == 2 and results["command"].endswith("mine.py --trials 2")
    assert results["sentences"][0] in done.stdout
    assert (out / "table.txt").read_text().strip() in done.stdout
    assert (out / "fresh" / "report.html").exists()
    named = {path.name.split("/")[0] for path in out.iterdir()} - {"README.md"}
    readme = (out / "README.md").read_text()
    assert all(f"`{name}" in readme for name in named)
    # It is no run of a study, and none goes over it.
    again = pptp("run", search, "--out", out)
    assert again.exit_code == 1 and "holds a search (`pptp search`)" in again.stderr
    chosen = pptp("choose", out)
    assert chosen.exit_code == 1 and "has no results.json" in chosen.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "there is no such file"),
        ([], "Missing argument 'SEARCH'"),
        (["{file}", "--trials", "0"], "0 is not in the range x>=1"),
        (["{file}", "--trials", "many"], "'many' is not a valid integer"),
        (["{file}", "--out", ""], "the name of the directory is empty"),
        (["{study}"], "the file must define `search`, a pptp_jax.study.Search, got NoneType"),
    ],
)
def test_wrong_arguments(search: Path, study: Path, arguments: list[str], message: str) -> None:
    places = {"file": search, "study": study}
    done = pptp("search", *(argument.format(**places) for argument in arguments))
    assert done.exit_code in (1, 2) and message in done.stderr
