"""Precision and recall of samples, against loops over points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.metrics.manifolds import manifolds, nearest


def naive(points: np.ndarray, centres: np.ndarray, k: int) -> float:
    """The share of points within the ball of some centre, as the paper writes it."""
    inside = 0
    for point in points:
        for i, centre in enumerate(centres):
            others = [np.linalg.norm(centre - c) for j, c in enumerate(centres) if j != i]
            if np.linalg.norm(point - centre) <= sorted(others)[k - 1]:
                inside += 1
                break
    return inside / len(points)


@given(st.integers(0, 10**6), st.integers(1, 3), st.floats(0, 3))
def test_precision_and_recall_are_those_of_loops(seed: int, k: int, apart: float) -> None:
    rng = np.random.default_rng(seed)
    real, made = rng.normal(size=(12, 2)), rng.normal(apart, 1, size=(9, 2))
    found = manifolds(real, made, k)
    assert found.precision == pytest.approx(naive(made, real, k))
    assert found.recall == pytest.approx(naive(real, made, k))


@given(st.integers(0, 10**6))
def test_the_nearest_is_that_of_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, others = rng.normal(size=(7, 2, 3)), rng.normal(size=(5, 2, 3))
    distances = np.array([[np.linalg.norm(a - b) for b in others] for a in points])
    found = nearest(points, others)
    np.testing.assert_array_equal(found.row, distances.argmin(axis=1))
    np.testing.assert_allclose(found.distance, distances.min(axis=1))


def test_a_collapsed_mode_has_precision_and_no_recall() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(200, 3))
    found = manifolds(real, np.repeat(real[:1], 200, axis=0))
    assert found.precision == 1 and found.recall <= 1 / 200


def test_samples_of_half_of_the_data_have_half_of_the_recall() -> None:
    rng = np.random.default_rng(0)
    real = np.concatenate([rng.normal(size=(100, 2)), rng.normal(50, 1, size=(100, 2))])
    found = manifolds(real, rng.normal(size=(200, 2)))
    assert found.precision > 0.9 and found.recall == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: manifolds(np.ones((3, 1)), np.ones((9, 1))), "real must have more than 3 points"),
        (lambda: manifolds(np.ones((9, 1)), np.ones((2, 1))), "made must have more than 3 points"),
        (lambda: nearest(np.ones((3, 1)), np.ones((0, 1))), "the number of others must be"),
    ],
)
def test_too_few_points_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
