"""A small study from beginning to end."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from small_study import STUDY, rows

from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.data import Digits, Quarters
from pptp_jax.metrics import auc, combine, metric_names, roc
from pptp_jax.models import Model, Variables
from pptp_jax.study import run
from pptp_jax.tasks import logit_scaled_confidence
from pptp_jax.training import SGD, undefended


def test_the_results_say_everything(done: Path) -> None:
    results = json.loads((done / "results.json").read_text())
    assert {"config", "versions", "seed", "data", "device"} <= set(results)
    assert len(results["data"]["fingerprint"]) == 64
    assert [(r["recipe"], r["defence"], r["strength"], r["region"]) for r in results["rows"]] == [
        ("undefended", "none", None, "-"),
        ("freeze", "none", None, "stem"),
        ("split", "relaxloss", 1.0, "head"),
    ]
    for row in results["rows"]:
        assert set(row["attacks"]) == set(STUDY.attacks)
        assert len(row["train_loss"]) == 2 and row["train_loss"][1] < row["train_loss"][0]
        for attack in row["attacks"].values():
            assert set(attack) == set(metric_names())
        assert [part["slice"] for part in row["per_class"]] == list(range(10))
        for name in ("per_class", "per_decile"):
            assert sum(part["members"] for part in row[name]) == 6 * 150
            assert {"auc", "tpr@0.01"} <= set(row[name][0]["metrics"])
        assert set(row["calibrated"]) == {"best", "fpr@0.01", "fpr@0.001"}
        assert set(row["roc"]) == {"fpr", "tpr", "low", "high"}
        assert row["agreement"]["attacks"] == [*row["stability"]] == list(STUDY.attacks)
        assert row["combined"]["attacks"] == list(STUDY.attacks)
        numbers = [row["train_accuracy"], row["test_accuracy"]]
        numbers += [a[key] for a in row["attacks"].values() for key in ("auc", "tpr@0.01")]
        for number in numbers:
            assert number["low"] <= number["value"] <= number["high"]
        # 6 targets of 150 non-members: fewer than a thousand.
        assert row["attacks"]["loss"]["tpr@0.001"]["value"] is None
        assert row["attacks"]["loss"]["tpr@0.01"]["coarse"]
        assert "coarse" not in row["attacks"]["loss"]["tpr@0.1"]


def test_the_numbers_follow_from_what_is_stored(done: Path) -> None:
    signals = done / "signals"
    membership = np.load(signals / "membership.npy")
    labels, ids = np.load(signals / "labels.npy"), np.load(signals / "example_ids.npy")
    assert membership.shape == (6, 300) and labels.shape == ids.shape == (300,)
    for recipe, row in zip(STUDY.recipes, rows(done), strict=True):
        phi = np.load(signals / f"{recipe.slug}.npy")
        assert phi.shape == (6, 1, 300) and phi.dtype == np.float32
        logits = np.load(signals / "logits" / f"{recipe.slug}.npy", mmap_mode="r")
        assert logits.shape == (6, 1, 300, 10) and logits.dtype == np.float32
        phi_of_logits = logit_scaled_confidence(jnp.array(logits[:, 0]), jnp.array([labels] * 6))
        np.testing.assert_allclose(phi[:, 0], phi_of_logits, rtol=1e-5, atol=1e-5)
        scores = attack_targets(ATTACKS["rmia_online"], phi, membership, range(6))
        with np.load(done / "scores" / f"{recipe.slug}.npz") as stored:
            np.testing.assert_array_equal(stored["rmia_online"], scores)
            np.testing.assert_array_equal(stored["membership"], membership)
        known = auc(roc(scores, membership))
        assert row["attacks"]["rmia_online"]["auc"]["value"] == pytest.approx(known)
        correct = logits[:, 0].argmax(axis=-1) == labels
        for name, chosen in (("train_accuracy", membership), ("test_accuracy", ~membership)):
            assert row[name]["value"] == pytest.approx(correct[chosen].mean())


def test_the_attacks_are_combined_beside_the_others(done: Path) -> None:
    ids = np.load(done / "signals" / "example_ids.npy")
    for recipe, row in zip(STUDY.recipes, rows(done), strict=True):
        with np.load(done / "scores" / f"{recipe.slug}.npz") as stored:
            scores = {name: stored[name] for name in STUDY.attacks}
            membership = stored["membership"]
        found = combine(scores, membership, seed=STUDY.seed)
        with np.load(done / "combined" / f"{recipe.slug}.npz") as stored:
            np.testing.assert_array_equal(stored["probability"], found.probability)
        value = auc(roc(found.probability, membership))
        assert row["combined"]["metrics"]["auc"]["value"] == pytest.approx(value)
        lines = (done / "combined" / f"{recipe.slug}.csv").read_text().splitlines()[1:]
        assert {line.split(",")[0] for line in lines} == set(ids.astype(str))


def test_a_study_may_leave_its_attacks_apart(tmp_path: Path) -> None:
    run(replace(STUDY, combine=False, recipes=STUDY.recipes[:1], resamples=5), tmp_path)
    assert rows(tmp_path)[0]["combined"] is None and not (tmp_path / "combined").exists()


def test_the_four_quarter_split(tmp_path: Path) -> None:
    study = replace(
        STUDY, split=Quarters(targets=2, shadows=3), recipes=STUDY.recipes[:1], resamples=20
    )
    run(study, tmp_path)
    [row] = rows(tmp_path)
    assert row["attacks"]["rmia_offline"]["auc"]["value"] is not None
    assert row["attacks"]["lira_online"]["auc"]["value"] is None
    assert any("lira_online: this attack needs at least 2 IN shadows" in n for n in row["notes"])
    with np.load(tmp_path / "scores" / "undefended_2.npz") as scores:
        assert scores["loss"].shape == (2, 150)
        assert (scores["membership"].sum(axis=1) == 75).all()


@dataclass(frozen=True)
class Poisoned:
    """Digits with one input so large that a model that trains on it diverges."""

    def load(self, select):
        data = Digits().load(select)
        x = data.x.astype(np.float32)
        x[0] = 3e38
        return replace(data, x=x)


def test_divergence_is_reported_and_left_out(tmp_path: Path) -> None:
    study = replace(STUDY, data=Poisoned(), optimizer=SGD(), standardize=False)
    linear = Model(
        init=lambda key, x: Variables({"w": jnp.zeros((64, 10))}, {}),
        apply=lambda params, state, x, *, train, key: (x.reshape(-1, 64) @ params["w"], state),
    )
    run(replace(study, model=linear, recipes=(undefended(2),)), tmp_path)
    [row] = rows(tmp_path)
    members = np.flatnonzero(np.load(tmp_path / "signals" / "membership.npy")[:, 0])
    assert row["diverged"] == members.tolist()
    with np.load(tmp_path / "scores" / "undefended_2.npz") as scores:
        assert set(scores["targets"]) == set(range(6)) - set(members)
