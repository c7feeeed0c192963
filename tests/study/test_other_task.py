"""A task that the package does not know goes from a study to its report and to a comparison."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from pptp_jax.data import Arrays, Balanced, Npz
from pptp_jax.evaluation.compare_runs import compare_runs
from pptp_jax.evaluation.results import RunResults
from pptp_jax.evaluation.run_files import read_results
from pptp_jax.models import mlp
from pptp_jax.objectives import HAMP, RelaxLoss
from pptp_jax.release import OrderOnly
from pptp_jax.report import draw_figures, render_comparison, render_runs, render_table, write_report
from pptp_jax.robustness import Robustness
from pptp_jax.study import Study, run
from pptp_jax.study.locate import locate_study
from pptp_jax.tasks import Batch, Task
from pptp_jax.training import (
    Recipe,
    early_stopped,
    freeze,
    train_fleet,
    undefended,
    whole_network,
)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Places(Task):
    """Networks that answer with a place in the plane; good are those that are near."""

    name: ClassVar[str] = "places"
    utility_name: ClassVar[str] = "squared miles"
    higher_is_better: ClassVar[bool] = False

    def losses(self, outputs: Float[Array, "batch 2"], batch: Batch) -> Float[Array, " batch"]:
        return self.utility(outputs, batch.targets)

    def confidence(self, answers: Any, targets: Any) -> Float[Array, " batch"]:
        return -jnp.cbrt(self.utility(answers, targets))

    def log_prob(self, answers: Any, targets: Any) -> Float[Array, " batch"]:
        return -self.utility(answers, targets)

    def utility(self, answers: Any, targets: Any) -> Float[Array, " batch"]:
        return ((answers - targets) ** 2).sum(-1)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    path = tmp_path_factory.mktemp("data") / "places.npz"
    np.savez(path, x=x, y=x[:, :2] ** 2 + 0.5 * rng.normal(size=(200, 2)))
    return Study(
        name="places",
        data=Npz(str(path), classes=False),
        model=replace(mlp([16], 2), task=Places()),
        split=Balanced(models=6),
        batch_size=20,
        recipes=(undefended(6), freeze("stem", after=1, more=5)),
        attacks=("loss", "lira_online", "rmia_online", "entropy", "noise", "gradient_norm"),
        trajectory=(2, 4),
        white_box=True,
        resamples=40,
    )


@pytest.fixture(scope="module")
def done(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "places"
    run(study, out)
    return out


def test_rows_have_the_utility_under_both_names(done: Path) -> None:
    record = json.loads((done / "results.json").read_text())
    assert (record["schema"], record["utility_name"], record["higher_is_better"]) == (
        2,
        "squared miles",
        False,
    )
    membership = np.load(done / "signals" / "membership.npy")
    for row in record["rows"]:
        utility = np.load(done / "signals" / "utility" / f"{row['slug']}.npy")
        for name, chosen in (("test", ~membership), ("train", membership)):
            assert row[f"{name}_squared_miles"]["value"] == pytest.approx(utility[chosen].mean())
        assert row["utility"] == row["test_squared_miles"]
        assert row["attacks"]["lira_online"]["auc"]["value"] is not None
        assert row["attacks"]["gradient_norm"]["auc"]["value"] is not None
        assert row["per_class"] is None and row["per_decile"]
        assert set(row["white_box"]) == {"gradients"}
        # What needs classes is left out, and the reason is given.
        assert row["attacks"]["entropy"]["auc"]["value"] is None
        assert {note.split(":")[0] for note in row["notes"]} == {"entropy", "noise"}
    assert record["data"]["classes"] is None


def test_the_table_and_the_page_speak_of_the_utility(done: Path) -> None:
    results = read_results(done)
    assert isinstance(results, RunResults)
    table = render_table(results)
    assert "test squared miles" in table and "classes" not in table and "accuracy" not in table
    assert "squared miles, less" in render_comparison(results.comparisons)
    assert draw_figures(results, done)[0].name == "utility_over_auc.png"
    page = write_report(done).read_text()
    assert "Lower and further left is better" in page
    for word in ("test accuracy", "points more", "more accuracy", ">class "):
        assert word not in page
    assert "classes" not in (done / "README.md").read_text().splitlines()[2]


def test_the_frontier_turns_where_lower_is_better(done: Path) -> None:
    """What dominates has a lower utility at no more strength, and its difference is positive."""
    results = read_results(done)
    assert results is not None
    curves = {curve["name"]: curve["points"] for curve in results.curves}
    [pair] = [p for p in results.comparisons if p["statistic"] == "auc"]
    best = {name: min(p["utility"].value for p in points) for name, points in curves.items()}
    assert pair["best"].value == pytest.approx(best[pair["b"]] - best[pair["a"]])


def test_two_runs_are_compared(study: Study, done: Path, tmp_path: Path) -> None:
    run(replace(study, recipes=(early_stopped(3),), white_box=False), tmp_path)
    found = compare_runs(done, tmp_path)
    assert found["measure"] == "squared miles" and found["unmatched"] is None
    assert "test squared miles" in render_runs(found)


@pytest.mark.parametrize(
    ("recipe", "part"),
    [
        (whole_network(HAMP(gamma=0.5, alpha=0.1), epochs=1), "hamp"),
        (freeze("stem", after=1, more=1, defence=RelaxLoss(alpha=1.0)), "relaxloss"),
        (replace(undefended(1), release=OrderOnly()), "order_only"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_needs_classes_is_refused_without_them(
    study: Study, recipe: Recipe, part: str
) -> None:
    with pytest.raises(ValueError, match=f"{part} is for classification, and .* task is places"):
        replace(study, recipes=(recipe,)).load()
    data = study.data.load()
    with pytest.raises(ValueError, match=f"{part} is for classification"):
        next(train_fleet(study.model, recipe, Arrays.of(data), np.arange(128).reshape(2, 64)))


def test_a_risk_map_is_refused_without_accuracy(study: Study, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="and places has none of them"):
        locate_study(study, tmp_path)


def test_robustness_is_refused_without_labels(study: Study) -> None:
    with pytest.raises(ValueError, match="labels stay right, and the task places has none"):
        replace(study, robustness=Robustness())
