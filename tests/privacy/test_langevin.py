"""The bound before a training, against differential equations, simulations and exact Gaussians."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from pptp_jax.privacy import kl_of_langevin
from pptp_jax.validation import Refused

NUMBERS = {
    "squared_difference": 0.02,
    "squared_gradient": 0.5,
    "changed_share": 0.1,
    "smoothness": 0.8,
    "slack": 0.3,
    "rank": 5,
}


@given(
    time=st.sampled_from([1e-5, 0.1, 1.0, 3.0]),
    noise=st.floats(0.05, 2.0),
    smoothness=st.floats(0.0, 2.0),
    slack=st.floats(0.0, 1.0),
)
def test_the_closed_form_solves_its_differential_equations(time, noise, smoothness, slack) -> None:
    """u' = (2 + b²) u + A, and the divergence grows by (2 d² + 2 s² (c² + b² u)) / 4 σ²."""
    own = {**NUMBERS, "smoothness": smoothness, "slack": slack}
    moved = 0.5 + slack**2 + 2 * noise**2 * 5

    def slopes(_, state):
        u, _ = state
        late = 0.1**2 * (slack**2 + smoothness**2 * u)
        return (2 + smoothness**2) * u + moved, (2 * 0.02 + 2 * late) / (4 * noise**2)

    solved = solve_ivp(slopes, (0, time), [0.0, 0.0], rtol=1e-9, atol=1e-14)
    assert kl_of_langevin(time, noise, **own) == pytest.approx(solved.y[1, -1], rel=1e-6)


def test_no_simulated_training_on_squares_diverges_more() -> None:
    """Losses h |w - b|² / 2 of examples: gradients h (w - b), smooth with β = h."""
    rng = np.random.default_rng(0)
    weights, examples, runs, noise, time, steps = 3, 10, 400, 0.3, 1.0, 200
    h = rng.uniform(0.2, 1.0, examples)
    b = rng.normal(size=(examples, weights))
    w, eta, kl = np.zeros((runs, weights)), time / steps, 0.0
    for _ in range(steps):
        # D' has the first example left out of a sum that is still divided by n.
        difference = h[0] * (w - b[0]) / examples
        kl += eta * np.square(difference).sum(axis=1).mean() / (4 * noise**2)
        gradient = (h.mean() * w) - (h[:, None] * b).mean(axis=0)
        w = w - eta * gradient + noise * (2 * eta) ** 0.5 * rng.normal(size=w.shape)
    bound = kl_of_langevin(
        time,
        noise,
        squared_difference=float(np.square(h[0] * b[0] / examples).sum()),
        squared_gradient=float(np.square((h[:, None] * b).mean(axis=0)).sum()),
        changed_share=1 / examples,
        smoothness=float(h.max()),
        rank=weights,
    )
    assert 0.05 * bound < kl < bound


def test_a_short_training_has_twice_the_divergence_of_its_first_step() -> None:
    time, noise = 1e-6, 0.5
    found = kl_of_langevin(time, noise, **{**NUMBERS, "slack": 0.0})
    assert found == pytest.approx(2 * time * 0.02 / (4 * noise**2), rel=1e-4)


def test_more_of_anything_but_noise_gives_more_away() -> None:
    found = kl_of_langevin(1.0, 0.5, **NUMBERS)
    for name, value in NUMBERS.items():
        assert kl_of_langevin(1.0, 0.5, **{**NUMBERS, name: value * 2}) > found
    assert kl_of_langevin(2.0, 0.5, **NUMBERS) > found
    assert kl_of_langevin(1.0, 1.0, **NUMBERS) < found
    assert kl_of_langevin(1e6, 0.5, **NUMBERS) == float("inf")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"squared_difference": -1.0}, "squared_difference must be a finite number of at least 0"),
        ({"changed_share": 2.0}, "changed_share must lie between 0 and 1, got 2.0"),
        ({"rank": -1}, "rank must be an integer of at least 0, got -1"),
    ],
)
def test_numbers_that_cannot_be(change, message: str) -> None:
    with pytest.raises(Refused, match=message):
        kl_of_langevin(1.0, 0.5, **{**NUMBERS, **change})
    with pytest.raises(Refused, match="noise must be a finite number above 0, got 0"):
        kl_of_langevin(1.0, 0, **NUMBERS)


@pytest.mark.parametrize("still", ["changed_share", "smoothness"])
def test_a_term_that_is_zero_stays_zero_however_long_the_training(still) -> None:
    found = kl_of_langevin(1000.0, 0.1, **{**NUMBERS, "slack": 0.0, still: 0.0})
    assert found == pytest.approx(1000 * 0.02 / (2 * 0.1**2))
