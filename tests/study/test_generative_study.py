"""A study of a GAN: its attacks, and the report's samples beside their nearest examples."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from pptp_jax.attacks.generative_registry import ON_GENERATORS
from pptp_jax.data import Balanced, Dataset, Digits
from pptp_jax.evaluation import SampleJudge, SampleQuality
from pptp_jax.evaluation.results import RunResults
from pptp_jax.evaluation.sample_pictures import COUNT, write_sample_pictures
from pptp_jax.fleets import FleetSignals
from pptp_jax.models import discriminator_mlp, gan, generator_mlp, mlp
from pptp_jax.report import render_samples, write_report
from pptp_jax.signals import sample_labels
from pptp_jax.study import Study, run
from pptp_jax.study.sample_worth import sample_worth
from pptp_jax.training import freeze, undefended

MEMBERSHIP = Balanced(models=4).draw(60, seed=0)
RNG = np.random.default_rng(0)
IDS = np.arange(60)
IMAGES = Dataset("images", RNG.uniform(size=(60, 4, 4, 1)).astype(np.float32), IDS % 3, IDS, 3)


def fleet(samples: np.ndarray, diverged: int | None = None) -> FleetSignals:
    finite = np.arange(4) != diverged
    return FleetSignals({"samples": samples, "finite": finite, "utility": np.ones((4, 60))})


def test_copies_stand_beside_what_they_are_copies_of(tmp_path) -> None:
    path = tmp_path / "samples.npz"
    members = np.stack([np.flatnonzero(own)[:25] for own in MEMBERSHIP.matrix])
    copies = IMAGES.inputs().reshape(60, -1)[members]
    write_sample_pictures(path, IMAGES, MEMBERSHIP, {"a": fleet(copies, diverged=0)})
    with np.load(path) as found:
        assert found["pictures"].shape == (1, COUNT, 3, 4, 4, 1)
        np.testing.assert_array_equal(found["pictures"][0, :, 0], found["pictures"][0, :, 1])
        # The first model that did not diverge is the second.
        np.testing.assert_array_equal(found["ids"][0, :, 0], members[1, :COUNT])
        assert (found["distances"][0, :, 0] == 0).all() and (found["distances"][0, :, 1] > 0).all()
        np.testing.assert_array_equal(found["nearer"], [[np.nan, 1, 1, 1]])
        # The nearest non-member is that of a loop.
        one = copies[1, 0]
        others = IMAGES.inputs().reshape(60, -1)[~MEMBERSHIP.matrix[1]]
        nearest = min(np.sqrt(((one - other) ** 2).mean()) for other in others)
        np.testing.assert_allclose(found["distances"][0, 0, 1], nearest, rtol=1e-5)


def test_without_samples_nothing_is_left(tmp_path) -> None:
    path = tmp_path / "samples.npz"
    path.write_text("old")
    bare = FleetSignals({"finite": np.ones(4, bool), "utility": np.ones((4, 60))})
    write_sample_pictures(path, IMAGES, MEMBERSHIP, {"a": bare})
    assert not path.exists()


STUDY = Study(
    name="judged",
    data=Digits(),
    model=mlp([4], num_classes=10),
    split=Balanced(models=4),
    examples=240,
    reference=40,
    recipes=(undefended(1),),
    resamples=50,
)


@pytest.mark.parametrize("reference", [40, 0])
def test_copies_of_members_are_worth_what_members_are(reference: int) -> None:
    study = replace(STUDY, reference=reference)
    data = study.load()
    membership = study.membership(data)
    labels = np.asarray(sample_labels(60, 10))
    copies = np.zeros((4, 60, 64), np.float32)
    for model, own in enumerate(membership.matrix):
        for place, label in enumerate(labels):
            [row, *_] = np.flatnonzero(own & (data.y == label))
            copies[model, place] = data.inputs()[row].ravel()
    known = {"finite": np.array([True, False, True, True]), "utility": np.ones((4, len(data)))}
    found = sample_worth(study, data, membership, FleetSignals({"samples": copies, **known}))
    assert found["nearer_members"].value == 1 and found["to_members"].value < 1e-6
    assert found["accuracy"].value > 0.4
    assert (found["precision"].value is None) == (reference == 0)
    # Of three targets: the second has diverged.
    judge = SampleJudge.of(data, study.division(len(data)).reference, mlp([64], 10))
    out = np.setdiff1d(np.arange(len(data)), membership.evaluated)
    alone = judge.fleet(copies[[0, 2, 3]], labels, membership.matrix[[0, 2, 3]], out)
    expected = np.mean([one.accuracy for one in alone])
    np.testing.assert_allclose(found["accuracy"].value, expected, atol=1e-6)
    assert sample_worth(study, data, membership, FleetSignals(known)) == {}


@pytest.mark.slow
def test_a_gan_goes_from_a_study_to_the_page(tmp_path) -> None:
    study = Study(
        name="tiny gan",
        data=Digits(),
        model=gan(generator_mlp([16], (8, 8, 1)), discriminator_mlp([16]), 10, latent=8),
        split=Balanced(models=4),
        examples=240,
        reference=40,
        batch_size=50,
        compared="logan",
        attacks=tuple(attack.name for attack in ON_GENERATORS),
        recipes=(undefended(2), freeze("discriminator", after=1, more=1)),
        resamples=20,
    )
    with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its count
        run(study, tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["utility_name"] == "distance to the nearest sample"
    table = render_samples(RunResults.from_json(results))
    for row in results["rows"]:
        worth = row["sample_quality"]
        assert set(worth) == set(SampleQuality._fields)
        assert 0 <= worth["accuracy"]["low"] <= worth["accuracy"]["high"] <= 1
        assert row["slug"] in table and f"{worth['accuracy']['value']:.3f}" in table
        assert set(row["attacks"]) == {attack.name for attack in ON_GENERATORS}
    page = write_report(tmp_path).read_text()
    assert "Table of what samples are worth" in page
    assert "Generated samples" in page
    assert page.count('alt="sample"') == 2 * COUNT
    assert page.count('alt="nearest member digits/') == 2 * COUNT
