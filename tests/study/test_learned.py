"""A study says whether its models have learned anything, and takes care that they can."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_study import STUDY, fleets, rows

from pptp_jax.data import Digits, Quarters
from pptp_jax.evaluation import RunResults
from pptp_jax.evaluation.warnings import majority_share, too_few, unlearned
from pptp_jax.fleets import Runtime, fingerprint
from pptp_jax.metrics import Estimate
from pptp_jax.models import mlp, save_variables, standardized, starting_from
from pptp_jax.report import render_table, write_report
from pptp_jax.robustness import Robustness
from pptp_jax.study import forecast, in_units_of, prepared, run
from pptp_jax.study.locate import locate_study
from pptp_jax.study.watch import STEPS, Watch, entropy
from pptp_jax.training import SGD, Probe, Progress, Strategy, undefended

FAST = replace(STUDY, recipes=(undefended(3),), attacks=("loss",), compared="loss", resamples=30)


@dataclass(frozen=True)
class Bytes:
    """Digits whose grey levels go to 240, as an array of another source would have them."""

    times: float = 15.0

    def load(self, select=np.arange):
        data = Digits().load(select)
        return replace(data, x=(data.x * self.times).astype(np.float32), scale=1.0)


DEAD = replace(
    FAST,
    data=Bytes(),
    standardize=False,
    optimizer=SGD(learning_rate=1.0),
    model=mlp([16, 16], 10, activation="relu"),
)


def warned(study, out: Path) -> tuple[list[str], str]:
    """The warnings while it trains, and the printed table."""
    told: list[str] = []
    results = run(study, out, runtime=Runtime(log=told.append))
    return [line for line in told if line.startswith("warning")], render_table(
        RunResults.from_json(results)
    )


# --- a fleet that has learned nothing ---


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], str]:
    """Pixels as bytes, plain SGD: the first step throws the networks too far to come back."""
    out = tmp_path_factory.mktemp("dead")
    return out, *warned(DEAD, out)


def test_results_table_and_page_say_that_nothing_was_learned(dead) -> None:
    out, _, table = dead
    [row] = rows(out)
    [warning] = row["warnings"]
    assert warning.startswith("these models have learned nothing: their accuracy on members is 0.1")
    assert "try more epochs, a lower learning rate" in warning
    assert f"warning: undefended_3: {warning}" in " ".join(table.split())
    write_report(out)
    page = (out / "report.html").read_text()
    assert "the numbers of 1 of 1 recipes are unreliable" in page
    assert "Warning, undefended, 3 epochs: these models have learned nothing" in page


def test_it_is_said_while_the_first_models_train(dead) -> None:
    _, [told], _ = dead
    assert told.startswith("warning: undefended_3: after ")
    assert "2.3 for always answering with the shares of the classes" in told
    assert "a lower learning rate" in told


def test_the_same_data_are_learned_by_default(tmp_path: Path) -> None:
    study = replace(FAST, data=Bytes(), model=mlp([16, 16], 10, activation="relu"))
    told, table = warned(replace(study, recipes=(undefended(12),)), tmp_path)
    [row] = rows(tmp_path)
    assert not row["warnings"] and not told and "warning" not in table
    assert row["train_accuracy"]["low"] > 0.5
    config = json.loads((tmp_path / "results.json").read_text())["config"]
    assert config["model"]["name"] == "standardized"
    assert len(config["model"]["mean"]) == 1  # the one channel


# --- when nothing is said ---


def test_finished_fleets_are_not_watched_and_numbers_stay(dead) -> None:
    out, *_ = dead
    before, again = rows(out), fleets(out)
    told, table = warned(DEAD, out)
    assert not told and "have learned nothing" in table
    assert rows(out) == before and fleets(out) == again


def followed(losses: list[float], steps: int, begin: int = 1) -> list[int]:
    """The epochs after which a warning comes, of a run that goes so."""
    told: list[int] = []
    watch = Watch(labels=np.arange(100) % 10, steps=steps, log=lambda _: told.append(epoch))
    recipe = undefended(len(losses))
    for epoch, loss in enumerate(losses, start=begin):
        watch(recipe, Progress(models=0, training=8, epoch=epoch, loss=loss))
    return told


@pytest.mark.parametrize(
    ("losses", "steps", "expected"),
    [
        ([2.5, 2.31, 2.3, 2.3], STEPS, [2]),  # enough steps, but of the first half are many
        ([2.5, 2.31, 2.3, 2.3], STEPS // 3, [4]),
        ([2.5, 2.31], 1, []),  # the recipe ends first
        ([2.5, 1.9, 2.3], STEPS, []),
        ([np.nan, 2.3, 2.3], 1, [1]),
        ([1e29, 2.3, 2.3], 1, [1]),
        ([8.0, 2.0], 1, []),
        ([2.5, 2.28], STEPS, [2]),  # within the margin
    ],
)
def test_when_a_run_is_warned_of(losses, steps: int, expected) -> None:
    assert followed(losses, steps) == expected


def test_a_group_that_goes_on_is_not_watched() -> None:
    assert followed([2.4, 2.4, 2.4], STEPS, begin=4) == []


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.9, 0.1], [0.2, 0.3, 0.5]])
def test_the_loss_of_a_constant_answer(shares) -> None:
    labels = np.repeat(np.arange(len(shares)), np.rint(100 * np.array(shares)).astype(int))
    assert entropy(labels) == pytest.approx(-np.log(np.array(shares)[labels]).mean())


# --- what makes numbers mean little ---


def fleet(accuracies: list[float], members: int = 300, classes: int = 10):
    """Models with an accuracy on their members each; the others' are never looked at."""
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=2 * members)
    membership = np.stack([rng.permutation(2 * members) < members for _ in accuracies])
    correct = rng.random(membership.shape) < np.array(accuracies)[:, None]
    return correct, membership, labels


def said(accuracies: list[float], low: float, models=None) -> list[str]:
    found = Estimate(float(np.mean(accuracies)), low, 1.0)
    return unlearned(*fleet(accuracies), found, models or range(len(accuracies)))


def test_a_fleet_is_compared_with_its_own_majority_not_one_in_ten() -> None:
    _, membership, labels = fleet([0.1] * 4)
    share = majority_share(membership, labels)
    naive = [max(np.mean(labels[own] == c) for c in range(10)) for own in membership]
    np.testing.assert_allclose(share, naive)
    assert share.mean() > 0.115
    assert "these models" in said([0.11] * 4, low=0.115)[0]
    assert said([0.2] * 4, low=0.18) == []


def test_single_models_that_learned_nothing_are_named() -> None:
    [warning] = said([0.9, 0.1, 0.9, 0.1], low=0.4, models=[2, 3, 5, 9])
    assert warning.startswith("models [3, 9] have learned nothing")


def test_one_class_is_nothing_to_learn() -> None:
    correct, membership, labels = fleet([1.0, 1.0])
    found = Estimate(1.0, 1.0, 1.0)
    [warning] = unlearned(correct, membership, labels * 0, found, [0, 1])
    assert "the same class" in warning


@pytest.mark.parametrize(("members", "said"), [(5, ["members"]), (50, []), (97, ["non-members"])])
def test_few_pairs_are_said(members: int, said: list[str]) -> None:
    membership = np.arange(100)[None] < members
    warnings = too_few(membership)
    assert [w.split(" of a target")[0].split(" ", 4)[-1] for w in warnings] == said


def test_a_fleet_of_which_all_models_diverged_is_reported(tmp_path: Path) -> None:
    study = replace(FAST, data=Bytes(1e30), standardize=False, optimizer=SGD())
    _, table = warned(replace(study, model=mlp([8], 10, activation="relu")), tmp_path)
    [row] = rows(tmp_path)
    assert row["diverged"] == list(range(6))
    assert "all targets diverged, and nothing is left to attack" in row["warnings"][0]
    assert "warning: undefended_3: all targets diverged" in table
    write_report(tmp_path)
    assert "all targets diverged" in (tmp_path / "report.html").read_text()


def test_four_quarters_with_dead_models_are_said(tmp_path: Path) -> None:
    study = replace(FAST, split=Quarters(targets=1, shadows=3), optimizer=SGD(learning_rate=1e-6))
    run(study, tmp_path)
    assert "have learned nothing" in rows(tmp_path)[0]["warnings"][0]


# --- units ---


def test_inputs_of_unit_scale_are_left_alone_and_others_standardised() -> None:
    data, model = Digits().load(), mlp([8], 10)
    assert in_units_of(model, data, None) is model
    assert in_units_of(model, data, True).config["name"] == "standardized"
    other = Bytes().load()
    assert in_units_of(model, other, None).config["model"] == model.config
    assert in_units_of(model, other, False) is model


def test_given_weights_keep_the_inputs_that_they_learned_from(tmp_path: Path) -> None:
    model, data = mlp([8], 10), Bytes().load()
    save_variables(tmp_path / "w.npz", model.init(jax.random.key(0), jnp.array(data.inputs()[:1])))
    given = starting_from(model, tmp_path / "w.npz")
    assert in_units_of(given, data, None) is given
    assert in_units_of(given, data, True) is not given


def test_numbers_of_the_units_are_part_of_what_a_fleet_depends_on() -> None:
    study, data = prepared(replace(FAST, data=Bytes()))
    model = mlp([8], 10)
    keys = {
        fingerprint(replace(study, model=own).fleet_spec(study.recipes[0], data))
        for own in (model, standardized(model, [1.0], [2.0]), standardized(model, [1.0], [3.0]))
    }
    assert len(keys) == 3


def test_robustness_is_measured_in_the_datas_own_units(tmp_path: Path) -> None:
    """The same model in other units, and a ball to match: the same numbers."""
    how = Robustness(epsilons=(0.1,), steps=(3,), noise=(), examples=20)
    ours = replace(how, epsilons=(24.0,))
    study = replace(FAST, standardize=True, examples=200, batch_size=20)
    found = []
    for name, data, asked in (("a", Digits(), how), ("b", Bytes(), ours)):
        # Grey levels go from 0 to 1 in the one and from 0 to 240 in the other.
        run(replace(study, data=data, robustness=asked), tmp_path / name)
        [row] = rows(tmp_path / name)
        found.append([t["accuracy"]["value"] for t in row["robustness"]["trials"]])
    np.testing.assert_allclose(*found, atol=0.02)
    assert found[0][0] > found[0][1]


def test_forecasts_and_risk_maps_use_the_same_model(tmp_path: Path) -> None:
    study = replace(FAST, data=Bytes(), examples=200, batch_size=20, resamples=5)
    found = forecast(study, Strategy(order="scan"), Probe(Strategy(order="scan"), {}))
    assert found["model"]["name"] == "standardized"
    risks = locate_study(study, tmp_path, epochs=4)
    assert risks["undefended"]["accuracy"]["value"] > 0.2
