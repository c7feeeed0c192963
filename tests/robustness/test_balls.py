"""Balls round examples: no point leaves them, nor the range of the data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pptp_jax.robustness import Ball
from pptp_jax.robustness.ball import NORMS

SHAPE = (2, 3)
ENDS = {"linf": lambda change: np.abs(change).max(), "l2": np.linalg.norm}


@jax.jit
def points(ball: Ball, key, x, point):
    return ball.nearest(x, point), ball.draw(key, x), ball.steepest(point)


@pytest.mark.parametrize("norm", NORMS)
@given(
    seed=st.integers(0, 2**31 - 1),
    epsilon=st.sampled_from([0.0, 1e-4, 0.03, 0.5, 4.0]),
    far=st.sampled_from([0.0, 1e-6, 0.1, 10.0]),
)
@settings(max_examples=30, deadline=None)
def test_no_point_leaves_the_ball_or_the_range(norm, seed, epsilon, far) -> None:
    rng = np.random.default_rng(seed)
    x = rng.choice([0.0, 1.0, 0.3, rng.random()], size=SHAPE).astype(np.float32)
    point = (x + far * rng.normal(size=SHAPE)).astype(np.float32)
    ball = Ball(epsilon=epsilon, low=0.0, high=1.0, norm=norm)
    nearest, drawn, towards = map(np.asarray, points(ball, jax.random.key(seed), x, point))
    for found in (nearest, drawn):
        assert found.min() >= 0 and found.max() <= 1
        assert ENDS[norm](found - x) <= epsilon * (1 + 1e-5) + 1e-7
    if far:
        assert ENDS[norm](towards) == pytest.approx(1, rel=1e-5)
        assert (towards * point >= 0).all()  # no input goes against its own gradient
    inside = point.min() >= 0 and point.max() <= 1 and ENDS[norm](point - x) <= epsilon
    if inside:
        np.testing.assert_allclose(nearest, point, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_nearest_is_nearest(norm: str) -> None:
    """No point of a fine grid over the ball comes nearer."""
    x, point = jnp.array([0.4, 0.6]), jnp.array([0.55, 0.95])
    ball = Ball(epsilon=0.2, low=-9.0, high=9.0, norm=norm)
    grid = np.stack(np.meshgrid(*[np.linspace(-0.2, 0.2, 201)] * 2), axis=-1).reshape(-1, 2)
    inside = grid[[ENDS[norm](change) <= 0.2 + 1e-9 for change in grid]]
    best = np.linalg.norm(np.asarray(x) + inside - np.asarray(point), axis=1).min()
    found = np.linalg.norm(ball.nearest(x, point) - point)
    assert found == pytest.approx(best, abs=2e-3)


@pytest.mark.parametrize("norm", NORMS)
def test_draws_fill_the_ball_evenly(norm: str) -> None:
    """The share of draws within half the radius is 2^-d."""
    ball = Ball(epsilon=1.0, low=-2.0, high=2.0, norm=norm)
    draws = jax.vmap(ball.draw, in_axes=(0, None))(
        jax.random.split(jax.random.key(0), 4000), jnp.zeros(2)
    )
    sizes = np.array([ENDS[norm](draw) for draw in np.asarray(draws)])
    assert (sizes < 0.5).mean() == pytest.approx(0.25, abs=0.03)
    np.testing.assert_allclose(np.asarray(draws).mean(axis=0), 0, atol=0.04)


def test_tiny_gradients_keep_their_direction() -> None:
    ball = Ball(epsilon=1.0, low=0.0, high=1.0, norm="l2")
    tiny = jnp.array([3e-25, -4e-25])
    np.testing.assert_allclose(ball.steepest(tiny), [0.6, -0.8], rtol=1e-5)
    np.testing.assert_array_equal(ball.steepest(jnp.zeros(2)), 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": -0.1}, "epsilon must be a finite number of at least 0, got -0.1"),
        ({"norm": "l1"}, "norm 'l1' is unknown. Known: 'linf', 'l2'"),
    ],
)
def test_balls_that_cannot_be(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ball(**{"epsilon": 0.1, "low": 0.0, "high": 1.0, **change})
