"""A study may list any attack: what the attack reads is collected."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.attacks.denoiser_registry import ON_DENOISERS
from pptp_jax.attacks.generative_registry import ON_GENERATORS
from pptp_jax.attacks.text_registry import ON_TOKENS
from pptp_jax.data import Balanced, Digits, Quarters
from pptp_jax.fleets import fingerprint
from pptp_jax.models import mlp
from pptp_jax.report import write_report
from pptp_jax.signals import FLIP, IDENTITY, shift
from pptp_jax.study import Probes, Study, run
from pptp_jax.training import undefended

# The others read tokens, and tests/study/test_language_study.py has them.
ON_TEXT = {attack.name for attack in ON_TOKENS} - {"base_ratio", "informia"}
# Those read what denoisers say; tests/signals/test_denoiser_probes.py has them.
OTHERS = ON_TEXT | {attack.name for attack in ON_DENOISERS} - {"gsa1"}
# And those what models make up; tests/study/test_generative_study.py has them.
OTHERS |= {attack.name for attack in ON_GENERATORS}
CLASSIFIERS = tuple(name for name in ATTACKS if name not in OTHERS)
STUDY = Study(
    name="every",
    data=Digits(),
    model=mlp([8], num_classes=10),
    split=Balanced(models=6),
    examples=140,
    reference=20,
    batch_size=20,
    queries=(IDENTITY, shift(1, 0)),
    attacks=CLASSIFIERS,
    resamples=20,
    # Fewer than by default, whose number changes no code that runs.
    probes=Probes(
        boundary_queries=60,
        boundary_iterations=1,
        noise_draws=3,
        student_epochs=2,
        surrogates=2,
        surrogate_epochs=2,
    ),
    recipes=(undefended(3),),
)


def row(out: Path):
    [found] = json.loads((out / "results.json").read_text())["rows"]
    return found


@pytest.mark.slow  # every attack is compiled
def test_every_attack_runs_in_a_study(tmp_path: Path) -> None:
    run(replace(STUDY, trajectory=(1, 2)), tmp_path)
    found = row(tmp_path)
    assert not [note for note in found["notes"] if note.split(":")[0] in ATTACKS]
    assert set(found["attacks"]) == set(CLASSIFIERS) and found["white_box"] == {}
    assert all(attack["auc"]["value"] is not None for attack in found["attacks"].values())
    [end] = tmp_path.glob("fleets/*/after-3")
    signals = {
        name: np.load(end / f"{name}.npy")
        for name in ("logits", "gradient_norms", "boundary_distance", "noisy_correct")
    }
    labels, membership = (
        np.load(tmp_path / "signals" / f"{name}.npy") for name in ("labels", "membership")
    )
    with np.load(tmp_path / "scores" / "undefended_3.npz") as scores:
        held = Evidence.leave_one_out(
            signals=signals, labels=labels, membership=membership, examples=scores["examples"]
        )
        for name in ("entropy", "gradient_norm", "boundary_distance", "noise", "lira_online"):
            np.testing.assert_allclose(scores[name], ATTACKS[name](held), rtol=1e-3, atol=1e-4)
    wrong = signals["logits"][:, 0].argmax(axis=-1) != labels
    assert (signals["boundary_distance"][wrong] == 0).all()
    assert (signals["boundary_distance"][~wrong] > 0).all()


def test_attacks_along_stops_read_what_was_kept_at_each_of_them(tmp_path: Path) -> None:
    attacks = tuple(ATTACKS[n].using(steps=20) for n in ("trajectory", "metric_sequence"))
    study = replace(STUDY, trajectory=(1, 2), attacks=("lira_trajectory", *attacks))
    run(replace(study, compared="lira_trajectory"), tmp_path)
    [home] = tmp_path.glob("fleets/*")
    stacked = {
        along: np.stack([np.load(home / f"after-{k}" / f"{kept}.npy") for k in (1, 2, 3)], axis=1)
        for along, kept in (("trajectory", "confidence"), ("metric_trajectory", "answer_metrics"))
    }
    assert stacked["metric_trajectory"].shape == (6, 3, 2, 140, 5)
    membership = np.load(tmp_path / "signals" / "membership.npy")
    with np.load(tmp_path / "scores" / "undefended_3.npz") as scores:
        held = Evidence.leave_one_out(stacked, membership, examples=scores["examples"])
        twin = ATTACKS["lira_trajectory"](held)
        np.testing.assert_allclose(scores["lira_trajectory"], twin, rtol=1e-3, atol=1e-3)
        assert {one.name for one in attacks} <= set(scores.files)
    # A stop on the way is attacked by the stops until then: one alone is no trajectory.
    assert [path.stem for path in (tmp_path / "scores" / "undefended_3").glob("*.npz")] == ["2"]


def test_without_stops_or_reference_examples_attacks_along_them_are_left_out(
    tmp_path: Path,
) -> None:
    attacks = ("loss", "trajectory", "distilled_trajectory", "oslo")
    run(replace(STUDY, attacks=attacks, reference=0, compared="loss"), tmp_path)
    found = {note.split(":")[0]: note for note in row(tmp_path)["notes"]}
    assert "takes two stops on the way at least" in found["trajectory"]
    for name, signal in (
        ("distilled_trajectory", "distilled_trajectory"),
        ("oslo", "transferred_correct"),
    ):
        assert f"{name}: this attack reads the signal '{signal}'" in found[name]


def test_in_quarters_attacks_learn_from_the_shadows_own_examples(tmp_path: Path) -> None:
    learned = ("modified_entropy", "shadow_network", "augmentation", "quantile_regression")
    learned += ("trajectory",)
    study = replace(
        STUDY,
        split=Quarters(targets=2, shadows=2),
        attacks=(*learned, "quantile_nonmembers", "lira_online"),
        batch_size=15,
        examples=120,
        reference=0,
        trajectory=(1, 2),
    )
    run(study, tmp_path)
    found = row(tmp_path)
    for name in (*learned, "quantile_nonmembers"):
        assert found["attacks"][name]["auc"]["value"] is not None, found["notes"]
    assert found["attacks"]["lira_online"]["auc"]["value"] is None
    with np.load(tmp_path / "scores" / "undefended_3.npz") as scores:
        assert scores["shadow_network"].shape == (2, 60)


def test_one_query_is_too_few_for_augmentation(tmp_path: Path) -> None:
    run(replace(STUDY, queries=(IDENTITY,), attacks=("augmentation",)), tmp_path)
    assert any("there is only one" in note for note in row(tmp_path)["notes"])


def test_without_examples_set_aside_nobody_is_known_as_a_nonmember(tmp_path: Path) -> None:
    run(replace(STUDY, attacks=("quantile_nonmembers",), reference=0), tmp_path)
    assert any("needs the examples' nonmembers" in note for note in row(tmp_path)["notes"])


def test_signals_that_no_attack_reads_are_not_collected(tmp_path: Path) -> None:
    run(replace(STUDY, attacks=("loss",)), tmp_path)
    [end] = tmp_path.glob("fleets/*/after-3")
    kept = {path.stem for path in end.glob("*.npy")}
    assert kept == {"confidence", "correct", "finite", "logits", "loss", "utility"}


@pytest.mark.parametrize("attack", ["boundry_distance"])
def test_an_unknown_attack_is_refused(attack: str) -> None:
    with pytest.raises(ValueError, match="did you mean 'boundary_distance'"):
        replace(STUDY, attacks=(attack,))


def test_a_study_sets_its_probes_and_tells_results_apart_by_them(tmp_path: Path) -> None:
    attacks = ("boundary_distance", "noise")
    few = Probes(boundary_queries=60, boundary_iterations=1, noise_draws=3)
    other = replace(few, boundary_queries=90, noise_draws=7, noise_stddev=0.5)
    study = replace(STUDY, attacks=attacks, compared="noise", queries=(IDENTITY,), examples=80)
    for probes, draws in ((few, 3), (other, 7)):
        run(replace(study, probes=probes), tmp_path)
        homes = sorted(tmp_path.glob("fleets/*"), key=lambda home: home.stat().st_mtime_ns)
        share = np.load(homes[-1] / "after-3" / "noisy_correct.npy") * draws
        np.testing.assert_allclose(share, np.round(share), atol=1e-5)
    assert len(homes) == 2
    distances = [np.load(home / "after-3" / "boundary_distance.npy") for home in homes]
    assert (distances[0] != distances[1]).any()
    write_report(tmp_path)
    assert "boundary_queries=90" in (tmp_path / "report.html").read_text()
    # What no attack reads does not matter.
    silent = replace(study, attacks=("loss",), compared="loss")
    data = silent.load()
    both = (silent, replace(silent, probes=other))
    assert len({fingerprint(one.fleet_spec(one.recipes[0], data)) for one in both}) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boundary_queries": 300}, "queries must be a whole number of at least 309, got 300"),
        ({"noise_draws": 0}, "noise_draws must be a whole number of at least 1, got 0"),
        ({"noise_flips": 2.0}, "noise_flips must lie between 0 and 1, got 2.0"),
        ({"noise_stddev": 0.0}, "noise_stddev must be a finite number above 0, got 0.0"),
        ({"student_epochs": 0}, "student_epochs must be a whole number of at least 1, got 0"),
        ({"surrogates": 1}, "surrogates must be a whole number of at least 2, got 1"),
    ],
)
def test_probes_that_cannot_be(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Probes(**change)


@pytest.mark.parametrize(
    "change", [{"queries": FLIP}, {"attacks": "loss"}, {"recipes": undefended(1)}]
)
def test_one_thing_in_place_of_several(change) -> None:
    [name] = change
    with pytest.raises(ValueError, match=f"{name} must be a tuple, each part of it"):
        replace(STUDY, **change)
