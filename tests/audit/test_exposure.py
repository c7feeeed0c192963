"""Exposure by counting and by a fit: against sorting, against each other, and in the tail."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

from pptp_jax.audit import exposure_by_fit, exposure_by_rank


def naive(score: float, fillings: np.ndarray) -> float:
    """The rank in a sorted list; equal scores have the mean of their places."""
    everything = np.sort(np.append(fillings, score))[::-1]
    places = np.flatnonzero(everything == score) + 1
    return np.log2(len(everything)) - np.log2(places.mean())


def test_scores_by_hand() -> None:
    fillings = np.array([[-1.0, -2.0, -3.0], [-1.0, -2.0, -3.0], [-5.0, -5.0, -5.0]])
    found = exposure_by_rank(np.array([-0.5, -4.0, -5.0]), fillings)
    np.testing.assert_allclose(found.bits, [2, 0, np.log2(4 / 2.5)])
    assert found.most == 2 and not found.capped.any()


@given(score=st.integers(-4, 4), fillings=st.lists(st.integers(-4, 4), min_size=1, max_size=30))
def test_counting_is_sorting(score: int, fillings: list[int]) -> None:
    others = np.array(fillings, float)
    found = exposure_by_rank(np.array(float(score)), others)
    assert found.bits == pytest.approx(naive(score, others), abs=1e-12)


@settings(max_examples=20)
@given(space=st.integers(2, 3000))
def test_a_random_rank_has_the_exposure_that_it_must_have(space: int) -> None:
    """Over all ranks the mean is log₂ R − log₂(R!) / R, which nears log₂ e from below."""
    scores = -np.arange(space, dtype=float)
    found = [exposure_by_rank(s, np.delete(scores, i)).bits for i, s in enumerate(scores)]
    expected = np.log2(space) - np.log2(np.arange(1, space + 1)).sum() / space
    assert np.mean(found) == pytest.approx(expected, abs=1e-9)
    assert 0 < np.log2(np.e) - expected < (2 + np.log2(space)) / space


@pytest.mark.parametrize("shape", [-4.0, 0.0, 4.0])
def test_a_random_filling_has_about_1_44_bits_by_the_fit(
    shape: float, rng: np.random.Generator
) -> None:
    scores = stats.skewnorm.rvs(shape, -20, 3, size=(400, 257), random_state=rng)
    found = exposure_by_fit(scores[:, 0], scores[:, 1:], space=10**6)
    # The deviation of −log₂ of a uniform number is 1.44, too.
    assert found.bits.mean() == pytest.approx(np.log2(np.e), abs=4 * 1.44 / np.sqrt(400))
    assert not found.capped.any()


def test_the_fit_goes_on_where_counting_ends(rng: np.random.Generator) -> None:
    """Fits to 500 fillings each: within counting's reach, and 6 bits beyond it."""
    bits = np.array([0.5, 2.0, 5.0, 9.0, 15.0])
    scores = stats.skewnorm.isf(2**-bits, -2, -20, 3)
    fillings = stats.skewnorm.rvs(-2, -20, 3, size=(60, 500), random_state=rng)
    fitted = np.array(
        [exposure_by_fit(np.full(60, one), fillings, space=10**6).bits for one in scores]
    )
    np.testing.assert_allclose(np.median(fitted, axis=1), bits, rtol=0.06, atol=0.03)
    counted = np.array([exposure_by_rank(np.full(60, one), fillings).bits for one in scores[:3]])
    np.testing.assert_allclose(counted.mean(axis=1), bits[:3], rtol=0.06, atol=0.03)


def test_the_more_likely_the_more_exposed_and_never_zero_by_underflow(
    rng: np.random.Generator,
) -> None:
    fillings = np.tile(rng.normal(-14, 0.1, size=64), (40, 1))
    scores = np.linspace(-14, -0.01, 40)
    found = exposure_by_fit(scores, fillings, space=10**6)
    assert (np.diff(found.bits) >= 0).all()
    # A normal tail 140 deviations out has probability 10^−4259.
    assert found.bits[-1] == found.most == pytest.approx(6 * np.log2(10))
    assert found.capped[-1] and not found.capped[0]
    far = exposure_by_fit(scores, fillings, space=2**4000)
    assert (np.diff(far.bits) > 0)[:10].all() and far.bits[10] > 500


def test_a_model_that_tells_nothing() -> None:
    scores, fillings = np.full(3, -2.0), np.full((3, 99), -2.0)
    np.testing.assert_allclose(exposure_by_fit(scores, fillings, 1000).bits, 1)
    np.testing.assert_allclose(exposure_by_rank(scores, fillings).bits, np.log2(100 / 50.5))


@pytest.mark.parametrize(
    ("scores", "fillings", "space", "message"),
    [
        (np.zeros(2), np.zeros((3, 20)), 100, r"the shape of scores and one axis more, \(2,\)"),
        (np.zeros(2), np.zeros((2, 20)) + np.nan, 100, "must be finite: leave diverged models"),
        (np.zeros(2), np.zeros((2, 15)), 100, "fillings must be an integer of at least 16"),
        (np.zeros(2), np.zeros((2, 20)), 19, "20 fillings, more than the space of 19 has"),
    ],
)
def test_what_has_no_exposure(
    scores: np.ndarray, fillings: np.ndarray, space: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        exposure_by_fit(scores, fillings, space)
