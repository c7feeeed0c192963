"""SecMI's network: what it finds, and what its scores must not depend on."""

import numpy as np
import pytest

from pptp_jax.attacks import Evidence, secmi_nns
from pptp_jax.data import Balanced
from pptp_jax.metrics import auc, roc

pytestmark = pytest.mark.usefixtures("compile_in_haste")

MODELS, TIMESTEPS, EXAMPLES, PIXELS = 6, 2, 40, 3
MEMBERSHIP = Balanced(models=MODELS).draw(EXAMPLES, seed=0).matrix
RNG = np.random.default_rng(0)
NOISE = RNG.uniform(0.5, 1.5, size=(MODELS, TIMESTEPS, EXAMPLES, PIXELS)).astype(np.float32)


def scores(images: np.ndarray, **options) -> np.ndarray:
    held = Evidence.leave_one_out({"secmi_difference": np.float32(images)}, MEMBERSHIP)
    return np.asarray(secmi_nns(held, steps=60, **options))


def found(images: np.ndarray, **options) -> float:
    return auc(roc(scores(images, **options), MEMBERSHIP))


def test_where_members_miss_less_at_one_pixel_they_are_found_at_that_timestep() -> None:
    """Although the squares of the image add up to the same."""
    images = NOISE.copy()
    images[:, 1, :, 0] *= np.where(MEMBERSHIP, 0.3, 1.0)
    images[:, 1, :, 2] *= np.where(MEMBERSHIP, 1.0, 0.3)
    assert found(images) > 0.9
    assert found(images, timestep=1) > 0.9
    assert 0.35 < found(images, timestep=0) < 0.65


def test_what_all_models_say_alike_gives_half() -> None:
    """Also where each example has its own image, by which a network could memorise it."""
    even = scores(np.ones_like(NOISE))
    for part in (0, 1):  # each half of the examples has a network of its own
        np.testing.assert_allclose(even[:, part::2], even[:, [part]].repeat(EXAMPLES // 2, axis=1))
    alike = np.broadcast_to(NOISE[:1], NOISE.shape)
    assert 0.4 < found(alike) < 0.6


def test_a_score_does_not_depend_on_what_shadows_say_of_the_examples_of_its_half() -> None:
    changed = NOISE.copy()
    changed[1:, :, ::2] *= 3
    before, after = (scores(images, folds=MODELS)[0] for images in (NOISE, changed))
    np.testing.assert_allclose(after[::2], before[::2], rtol=1e-4, atol=1e-5)
    assert np.abs(after[1::2] - before[1::2]).max() > 1e-2


def test_a_timestep_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="timestep must be from 0 to 1, a place, got 2"):
        scores(NOISE, timestep=2)
