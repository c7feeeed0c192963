"""A study of a GAN: its attacks, and the report's samples beside their nearest examples."""

import json

import jax
import numpy as np
import pytest

from pptp_jax.attacks.generative_registry import ON_GENERATORS
from pptp_jax.data import Balanced, Dataset, Digits
from pptp_jax.evaluation.sample_pictures import COUNT, write_sample_pictures
from pptp_jax.fleets import FleetSignals
from pptp_jax.models import discriminator_mlp, gan, generator_mlp
from pptp_jax.report import write_report
from pptp_jax.study import Study, run
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


@pytest.mark.slow
def test_a_gan_goes_from_a_study_to_the_page(tmp_path) -> None:
    study = Study(
        name="tiny gan",
        data=Digits(),
        model=gan(generator_mlp([16], (8, 8, 1)), discriminator_mlp([16]), 10, latent=8),
        split=Balanced(models=4),
        examples=200,
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
    for row in results["rows"]:
        assert set(row["attacks"]) == {attack.name for attack in ON_GENERATORS}
    page = write_report(tmp_path).read_text()
    assert "Generated samples" in page
    assert page.count('alt="sample"') == 2 * COUNT
    assert page.count('alt="nearest member digits/') == 2 * COUNT
