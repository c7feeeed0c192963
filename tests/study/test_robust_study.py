"""A study that measures its models' accuracy on perturbed inputs."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
import pytest
from small_study import STUDY

from pptp_jax.data import Arrays, Digits, Quarters
from pptp_jax.evaluation import read_results
from pptp_jax.fleets import FleetSignals
from pptp_jax.report import render_robustness, write_report
from pptp_jax.robustness import Robustness
from pptp_jax.signals import SignalRequest
from pptp_jax.study import run
from pptp_jax.study.robustness_accuracy import disturbed_rows, robust_signal, robustness
from pptp_jax.training import Strategy, undefended

HOW = Robustness(epsilons=(0.05, 0.3), steps=(3,), noise=(0.2,), draws=2, examples=40)
ROBUST = replace(STUDY, robustness=HOW, recipes=(undefended(4),), attacks=("loss",), resamples=30)
ROBUST = replace(ROBUST, compared="loss", examples=200, batch_size=20)


@pytest.fixture(scope="module")
def robust_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("robust")
    run(ROBUST, out, strategy=lambda study, data: Strategy(order="scan"))
    return out


def trials(out: Path):
    [row] = json.loads((out / "results.json").read_text())["rows"]
    assert row["robustness"]["examples"] == HOW.examples
    found = row["robustness"]["trials"]
    return {(t["kind"], t["norm"], t["size"]): t["accuracy"]["value"] for t in found}


def test_what_a_study_finds_is_in_its_results_table_and_page(robust_run: Path) -> None:
    found = trials(robust_run)
    assert [kind for kind, _, _ in found] == [
        "clean", "fgsm", "pgd", "worst", "fgsm", "pgd", "worst", "noise"
    ]  # fmt: skip
    clean = found["clean", None, 0.0]
    for size in (0.05, 0.3):
        least = found["worst", "linf", size]
        assert least <= min(found["fgsm", "linf", size], found["pgd", "linf", size]) <= clean
    assert found["worst", "linf", 0.3] < found["worst", "linf", 0.05] < clean
    results = read_results(robust_run)
    assert results is not None
    table = render_robustness(results)
    assert "PGD-3 0.3" in table and f"{clean:.3f}" in table
    write_report(robust_run)
    page = (robust_run / "report.html").read_text()
    assert 'id="robustness"' in page and "40 non-members of each target" in page
    assert "noise 0.2" in page and f"{clean:.3f}" in page


def test_clean_inputs_are_labelled_as_the_signals_say(robust_run: Path) -> None:
    """Only non-members are disturbed: the same ones for models with the same non-members."""
    [end] = robust_run.glob("fleets/*/after-4")
    correct, kept = np.load(end / "utility.npy"), np.load(end / "robust.npy")
    membership = ROBUST.membership(200)
    rows = disturbed_rows(ROBUST, membership)
    assert rows.shape == (6, 40)
    assert not np.take_along_axis(membership.matrix, rows, axis=1).any()
    np.testing.assert_array_equal(kept[:, 0], np.take_along_axis(correct, rows, axis=1))
    assert trials(robust_run)["clean", None, 0.0] == pytest.approx(kept[:, 0].mean())
    both = ~membership.matrix[0] & ~membership.matrix[1]
    first, second = (set(own[both[own]]) for own in rows[:2])
    assert len(first & second) > 0.5 * min(len(first), len(second))


def test_models_side_by_side_are_as_robust_as_one_by_one(robust_run: Path, tmp_path: Path) -> None:
    run(ROBUST, tmp_path, strategy=lambda study, data: Strategy(order="vmap"))
    one_by_one, together = trials(robust_run), trials(tmp_path)
    assert one_by_one.keys() == together.keys()
    for trial, accuracy in one_by_one.items():
        assert together[trial] == pytest.approx(accuracy, abs=0.01), trial


def test_mere_shadows_are_not_looked_at() -> None:
    study = replace(ROBUST, split=Quarters(targets=1, shadows=2))
    membership, arrays = study.membership(200), Arrays.of(study.load())
    fleet = jax.vmap(study.model.init, in_axes=(0, None))(
        jax.random.split(jax.random.key(0), 2), arrays.inputs(slice(0, 1))
    )
    assert disturbed_rows(study, membership).shape == (3, 40)
    signal = robust_signal(study, membership)
    assert signal.take is not None
    key = jax.random.key(study.seed)
    those = SignalRequest(study.model, fleet, (2, 0), arrays, np.arange(200), key)
    shadow, target = signal.take(those)
    assert target.any() and not shadow.any()
    assert not signal.take(those._replace(numbers=(1, 2))).any()


def fleet_of(kept: np.ndarray, finite: np.ndarray) -> FleetSignals:
    return FleetSignals({"utility": np.ones((6, 200), bool), "finite": finite, "robust": kept})


def test_a_stronger_attack_that_does_less_is_reported() -> None:
    how = Robustness(epsilons=(0.1,), steps=(5, 50), noise=())
    study = replace(ROBUST, robustness=replace(how, examples=40))
    rng = np.random.default_rng(0)
    # clean, FGSM, PGD with 5 and with 50 steps
    kept = (rng.random((6, 4, 40)) < np.array([0.9, 0.5, 0.8, 0.3])[:, None]).astype(np.float32)
    finite = np.arange(6) != 2
    kept[2] = np.nan  # whatever a diverged model says
    found = robustness(study, fleet_of(kept, finite), study.membership(200))
    [told] = found["warnings"]
    assert told.startswith("PGD with 5 steps at 0.1 in linf leaves ")
    assert "% of all labels more right than FGSM: gradients mislead the attacks here" in told
    by_kind = {trial["kind"]: trial["accuracy"]["value"] for trial in found["trials"]}
    assert by_kind["worst"] == pytest.approx(kept[finite, 1:].min(axis=1).mean(), rel=1e-5)


def test_a_fleet_of_which_all_models_diverged_resolves_nothing() -> None:
    kept = np.zeros((6, 6, 40), np.float32)
    found = robustness(ROBUST, fleet_of(kept, np.zeros(6, bool)), ROBUST.membership(200))
    assert {trial["accuracy"]["value"] for trial in found["trials"]} == {None}
    assert found["warnings"] == []


@dataclass(frozen=True)
class Bits:
    """Digits in black and white."""

    def load(self, select):
        data = Digits().load(select)
        return replace(data, x=data.x > 8, scale=1.0)


def test_bits_are_refused_before_anything_is_trained() -> None:
    with pytest.raises(ValueError, match="all inputs are 0 or 1, so there is no small change"):
        replace(ROBUST, data=Bits()).load()
