"""Signals along the trajectory, examples set aside, and methods at equal attack strength."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.data import Balanced, Digits
from pptp_jax.evaluation.compare_runs import compare_runs
from pptp_jax.fleets import Runtime
from pptp_jax.metrics import auc, roc
from pptp_jax.models import mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.study import Study, run
from pptp_jax.study.comparisons import CONTROL, RIVALS, method
from pptp_jax.training import (
    Ensemble,
    Progress,
    Recipe,
    dmp,
    early_stopped,
    freeze,
    selena,
    split,
    undefended,
    whole_network,
)

RELAX = RelaxLoss(alpha=1.0)
STUDY = Study(
    name="compared",
    data=Digits(),
    model=mlp([8], num_classes=10),
    split=Balanced(models=6),
    examples=400,
    reference=60,
    batch_size=50,
    resamples=40,
    trajectory=(1, 2),
    attacks=("lira_online",),
    recipes=(
        undefended(3),
        early_stopped(1),
        whole_network(RELAX, 3),
        split("stem", RELAX, 3),
        freeze("stem", after=1, more=2),
        selena(1, 2, Ensemble(models=3, left_out=1)),
    ),
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared")
    run(STUDY, out)
    return out


@pytest.fixture(scope="module")
def results(done: Path):
    return json.loads((done / "results.json").read_text())


def test_every_recipe_is_attacked_on_its_way(done: Path, results) -> None:
    labels = {curve["name"]: [p["label"] for p in curve["points"]] for curve in results["curves"]}
    assert labels == {
        CONTROL: [
            "undefended 3, stopped after 1",
            "undefended 3, stopped after 2",
            "undefended 3",
            "early_stopped 1",
        ],
        "whole network (relaxloss)": [
            "whole_network 3 1, stopped after 1",
            "whole_network 3 1, stopped after 2",
            "whole_network 3 1",
        ],
        "split stem (relaxloss)": [
            "split 3 1, stopped after 1",
            "split 3 1, stopped after 2",
            "split 3 1",
        ],
        "freeze stem": [
            "freeze 1+2, stopped after 1",
            "freeze 1+2, stopped after 2",
            "freeze 1+2",
        ],
        # In the first epoch an ensemble stands where the network will be.
        "selena (distillation)": ["selena 1+2 1, stopped after 2", "selena 1+2 1"],
    }
    ends = {row["slug"]: row for row in results["rows"]}
    points = {p["label"]: p for curve in results["curves"] for p in curve["points"]}
    for slug, label in [("undefended_3", "undefended 3"), ("freeze_1+2_stem", "freeze 1+2")]:
        assert points[label]["auc"] == ends[slug]["attacks"]["lira_online"]["auc"]
        assert points[label]["utility"] == ends[slug]["utility"]


def test_the_trajectory_ends_where_a_run_without_one_does(done: Path, tmp_path: Path) -> None:
    recipes = STUDY.recipes[:1]
    run(replace(STUDY, trajectory=(), recipes=recipes), tmp_path)
    for name in ("undefended_3.npy", "membership.npy"):
        ours, known = (np.load(out / "signals" / name) for out in (done, tmp_path))
        np.testing.assert_array_equal(ours, known)


def test_pairs_are_those_that_test_the_claim(results) -> None:
    pairs = [(p["a"], p["b"]) for p in results["comparisons"] if p["statistic"] == "auc"]
    assert pairs == [
        ("whole network (relaxloss)", CONTROL),
        ("split stem (relaxloss)", "whole network (relaxloss)"),
        ("split stem (relaxloss)", CONTROL),
        ("split stem (relaxloss)", RIVALS),
        ("freeze stem", CONTROL),
        ("freeze stem", RIVALS),
        ("selena (distillation)", CONTROL),
    ]
    for pair in results["comparisons"]:
        assert pair["a"] in pair["verdict"] and pair["b"] in pair["verdict"]


def test_the_hull_is_made_of_every_recipe_without_a_region(results) -> None:
    """At its best it is as good as the best of its points, and it reaches from the weakest on."""
    free = (CONTROL, "whole network (relaxloss)", "selena (distillation)")
    points = [p for curve in results["curves"] if curve["name"] in free for p in curve["points"]]
    own = [
        p for curve in results["curves"] if curve["name"] == "freeze stem" for p in curve["points"]
    ]
    best = [max(p["utility"]["value"] for p in some) for some in (own, points)]
    weakest = min(p["auc"]["value"] for p in points)
    [found] = [
        pair
        for pair in results["comparisons"]
        if (pair["a"], pair["b"], pair["statistic"]) == ("freeze stem", RIVALS, "auc")
    ]
    assert found["best"]["value"] == pytest.approx(best[0] - best[1])
    assert found["ranges"][1][0] == pytest.approx(weakest)


def test_each_setting_with_a_region_has_a_margin(results) -> None:
    settings = [(own["recipe"], own["stop"]) for own in results["margins"]]
    assert settings == [
        (slug, stop)
        for slug in ("split_3_stem_relaxloss_1", "freeze_1+2_stem")
        for stop in (1, 2, None)
    ]


def test_two_runs_are_compared_along_their_stops(done: Path, results, tmp_path: Path) -> None:
    """What another run has of a method is compared as if one run had both."""
    run(replace(STUDY, recipes=(STUDY.recipes[4],)), tmp_path)
    found = compare_runs(done, tmp_path)["comparisons"]
    own = {
        pair["statistic"]: pair
        for pair in results["comparisons"]
        if (pair["a"], pair["b"]) == ("freeze stem", RIVALS)
    }
    pairs = [pair for pair in found if (pair["a"], pair["b"]) == ("freeze stem (b)", RIVALS)]
    assert len(pairs) == 2
    for pair in pairs:
        assert pair["ranges"] == own[pair["statistic"]]["ranges"]
        assert pair["mean"] == own[pair["statistic"]]["mean"]


def test_one_method_without_a_region_is_no_hull(tmp_path: Path) -> None:
    few = replace(STUDY, recipes=(STUDY.recipes[0], STUDY.recipes[4]), trajectory=())
    found = run(few, tmp_path)
    assert {pair["b"] for pair in found["comparisons"]} == {CONTROL}
    assert [own["recipe"] for own in found["margins"]] == ["freeze_1+2_stem"]


def test_what_is_set_aside_is_nobodys_member_and_not_evaluated(done: Path) -> None:
    division = STUDY.division(400)
    assert [len(part) for part in division] == [340, 0, 60]
    matrix = np.load(done / "signals" / "membership.npy")
    assert not matrix[:, division.reference].any()
    assert (matrix[:, division.evaluated].sum(axis=0) == 3).all()
    with np.load(done / "scores" / "undefended_3.npz") as scores:
        np.testing.assert_array_equal(scores["examples"], division.evaluated)


def test_tuning_and_evaluation_share_no_example() -> None:
    study = replace(STUDY, tuning=0.5)
    final, tuned = study.membership(400), study.tuning_membership(400)
    assert not set(final.evaluated) & set(tuned.evaluated)
    assert not (final.matrix.any(axis=0) & tuned.matrix.any(axis=0)).any()
    assert len(tuned.evaluated) == 170


class Stopped(Exception):
    pass


def test_an_interrupted_trajectory_ends_the_same(done: Path, tmp_path: Path) -> None:
    study = replace(STUDY, recipes=STUDY.recipes[4:5])

    def stop(recipe: Recipe, progress: Progress) -> None:
        if progress.epoch == 2:
            raise Stopped

    with pytest.raises(Stopped):
        run(study, tmp_path, runtime=Runtime(on_progress=stop))
    [lost] = tmp_path.rglob("after-1/confidence.npy")
    lost.unlink()
    run(study, tmp_path)
    for stops in ("1", "2", "3"):
        [ours] = tmp_path.rglob(f"after-{stops}/confidence.npy")
        [known] = done.glob(f"fleets/freeze*/after-{stops}/confidence.npy")
        assert ours.read_bytes() == known.read_bytes()


def test_a_white_box_attacker_sees_gradients_and_features_of_blocks(tmp_path: Path) -> None:
    study = replace(STUDY, recipes=STUDY.recipes[:1], trajectory=())
    blind = run(study, tmp_path)
    assert blind["rows"][0]["white_box"] == {}
    seen = run(replace(study, white_box=True), tmp_path)
    [row] = seen["rows"]
    assert {kind: list(blocks) for kind, blocks in row["white_box"].items()} == {
        "gradients": ["stem", "head"],
        "features": ["stem", "head"],
    }
    [end] = tmp_path.rglob("after-3")
    names = ("gradient_norms", "feature_margins", "confidence")
    norms, margins, confidence = (np.load(end / f"{name}.npy") for name in names)
    assert norms.shape == margins.shape == (6, 2, 400)
    # The head's bias alone has a gradient of at least 1 − p; the norm falls as φ rises.
    assert (norms[:, 1] >= 1 / (1 + np.exp(confidence[:, 0])) * 0.99).all()
    evaluated = STUDY.division(400).evaluated
    membership = np.load(tmp_path / "signals" / "membership.npy")[:, evaluated]
    for kind, signals in (("gradients", -np.log(norms)), ("features", margins)):
        lira = ATTACKS["lira_online"]
        scores = attack_targets(lira, signals[:, 1:, evaluated], membership, range(6))
        area = auc(roc(scores, membership))
        assert row["white_box"][kind]["head"]["auc"]["value"] == pytest.approx(area)


def test_methods_differ_in_more_than_strength_and_epochs() -> None:
    same = [whole_network(RelaxLoss(alpha=a), e) for a, e in [(0.1, 2), (1.0, 5)]]
    assert {method(recipe) for recipe in same} == {"whole network (relaxloss)"}
    assert method(split("not stem", RELAX, 1)) == "split not stem (relaxloss)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trajectory": (0,)}, r"trajectory\[0\] must be an integer of at least 1, got 0"),
        ({"compared": "lira_onlin"}, "did you mean 'lira_online'"),
        ({"budget": 0.0}, "budget must be a finite number above 0"),
    ],
)
def test_a_bad_study(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(STUDY, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipes": (dmp(1, 1),), "reference": 0}, "dmp needs at least 50 reference examples"),
        ({"reference": 399}, "400 examples are too few to set 399 aside as a reference"),
        ({"tuning": 1.0}, "tuning must be a share from 0 to below 1, got 1.0"),
        ({"reference": -1}, "reference must be an integer of at least 0, got -1"),
    ],
)
def test_a_study_that_does_not_fit_its_data(change, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        run(replace(STUDY, **change), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}
