"""Warnings of masked gradients, and inputs found on other networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Model, Variables
from pptp_jax.robustness import (
    Ball,
    Robustness,
    Trial,
    input_geometry,
    masking_warnings,
    pgd,
    right_when_disturbed,
)

KEY = jax.random.key(0)
# A network that is a plane, or the same plane seen through stairs that have no slope.
MODEL = Model(
    init=lambda key, x: Variables({"w": jnp.zeros((x.shape[1], 2)), "stairs": jnp.array(0.0)}, {}),
    apply=lambda p, state, x, *, train, key: (
        jnp.where(p["stairs"] > 0, jnp.round(8 * (x @ p["w"])) / 8, x @ p["w"]),
        state,
    ),
)
HOW = Robustness(epsilons=(), l2_epsilons=(0.3,), steps=(5, 20), noise=(), surrogates=1)


@pytest.fixture(scope="module")
def found():
    """A plane, and the same plane through stairs: trials, and the geometry of both."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(200, 3)).astype(np.float32)
    w = rng.normal(size=(3, 2)).astype(np.float32)
    data = Arrays.of(Dataset("planes", x, (x @ w).argmax(axis=1), np.arange(200), 2))
    both = Variables({"w": jnp.stack([w, w]), "stairs": jnp.array([0.0, 1.0])}, {})
    plane = jax.tree.map(lambda leaf: leaf[:1], both)
    rows = jnp.tile(jnp.arange(60)[None], (2, 1))
    right = right_when_disturbed(MODEL, both, data, rows, KEY, HOW, plane)
    return np.asarray(right), input_geometry(MODEL, both, data, rows, KEY, eigenvalues=2)


def warned(found, model: int, distances=None) -> list[str]:
    own = {trial: found[model : model + 1, i] for i, trial in enumerate(HOW.trials)}
    return masking_warnings(own, np.ones((1, 60), bool), distances, resamples=100)


def test_an_attack_from_elsewhere_finds_what_stairs_hide(found) -> None:
    right, _ = found
    kinds = [trial.kind for trial in HOW.trials]
    assert kinds == ["clean", "fgsm", "transfer", "pgd", "pgd"]
    plane, stairs = right.mean(axis=2)
    # On the plane itself all attacks are one; the stairs leave PGD where it began.
    assert plane[2] <= plane[4] + 0.02 and stairs[4] > stairs[2] + 0.1
    assert warned(right, 0) == []
    told = warned(right, 1)
    assert any("more right than inputs that were found on other networks" in one for one in told)
    assert all("gradients mislead the attacks here" in one for one in told)


def test_the_geometry_of_a_plane(found) -> None:
    _, around = found
    assert around.linear.shape == (2, 60) and around.curvature.shape == (2, 2, 60)
    np.testing.assert_allclose(around.found[0], around.linear[0], rtol=0.3, atol=1e-4)
    assert np.isinf(around.found[1][around.linear[1] > 0]).all()  # no slope leads anywhere
    assert (around.curvature[0, 0] > 0).all()
    np.testing.assert_allclose(around.curvature[0, 1], 0, atol=1e-5)  # one logit gap, one direction


def test_a_search_that_needs_no_gradients_finds_it_too(found) -> None:
    right, around = found
    distance = {"a search by labels": np.asarray(around.found[:1])}
    assert warned(right, 0, distance) == []
    [told] = [one for one in warned(right, 1, distance) if "by labels" in one]
    assert told.startswith("PGD with 20 steps at 0.3 in l2 leaves ")
    assert "right within 0.3 of points where a search by labels found another label" in told


def test_one_step_that_beats_many() -> None:
    fgsm = Trial(kind="fgsm", norm="linf", size=0.1)
    long = Trial(kind="pgd", norm="linf", size=0.1, steps=40)
    rng = np.random.default_rng(0)
    less, more = (rng.random((4, 50)) < share for share in (0.4, 0.8))
    chosen = np.ones((4, 50), bool)
    [told] = masking_warnings({fgsm: less * 1.0, long: more * 1.0}, chosen)
    assert told.startswith("PGD with 40 steps at 0.1 in linf leaves ") and "than FGSM" in told
    assert masking_warnings({fgsm: more * 1.0, long: less * 1.0}, chosen) == []


def test_a_way_to_the_end_goes_far_beyond_the_boundary() -> None:
    weights = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    x, ball = jnp.array([[0.5, 0.45]]), Ball(epsilon=0.25, low=0.0, high=1.0)
    first, last = jax.jit(
        lambda x: [
            pgd(lambda x: x @ weights, x, jnp.array([0]), ball, x, steps=5, to_the_end=to_the_end)
            for to_the_end in (False, True)
        ]
    )(x)
    np.testing.assert_allclose(first, [[0.375, 0.575]])
    np.testing.assert_allclose(last, [[0.25, 0.7]], atol=1e-6)


def test_transferred_inputs_need_networks_to_come_from() -> None:
    with pytest.raises(ValueError, match="need surrogates to be found on, got none"):
        right_when_disturbed(MODEL, None, None, None, KEY, HOW)


def test_transferred_inputs_alone_are_compared_with_nothing() -> None:
    alone = Trial(kind="transfer", norm="l2", size=0.5, steps=4)
    pairs = np.ones((2, 20))
    assert masking_warnings({alone: pairs}, pairs > 0) == []
