"""Privacy profiles against closed forms, integrals and simulated noisy sums."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from pptp_jax.privacy import delta_divergence, privacy_profile
from pptp_jax.validation import Refused

# Few, so that each is computed once.
MECHANISMS = st.sampled_from(
    [
        privacy_profile(rate=rate, noise_multiplier=noise, steps=steps)
        for rate, noise, steps in (
            (0.05, 0.8, 1),
            (0.05, 1.5, 7),
            (0.3, 1.5, 1),
            (0.3, 4.0, 7),
            (1.0, 1.5, 1),
            (1.0, 4.0, 7),
        )
    ]
)


def gaussian_delta(epsilon: float, mu: float) -> float:
    return norm.cdf(-epsilon / mu + mu / 2) - np.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2)


def integrated_delta(epsilon: float, rate: float, noise: float, direction: str) -> float:
    """δ of one step, by integrating what one density has over the other."""

    def above(z: float) -> float:
        without = norm.pdf(z, 0, noise)
        with_ = (1 - rate) * without + rate * norm.pdf(z, 1, noise)
        one, other = (with_, without) if direction == "remove" else (without, with_)
        return max(one - np.exp(epsilon) * other, 0.0)

    points = np.linspace(-12 * noise, 12 * noise + 1, 400)
    return sum(quad(above, a, b)[0] for a, b in pairwise(points))


@pytest.mark.parametrize("epsilon", [-2.0, 0.0, 0.5, 3.0])
@pytest.mark.parametrize(("noise", "steps"), [(1.0, 1), (3.0, 9)])
def test_full_batches_are_gaussian_mechanisms(epsilon, noise, steps):
    profile = privacy_profile(rate=1.0, noise_multiplier=noise, steps=steps)
    for direction in ("remove", "add"):
        expected = gaussian_delta(epsilon, np.sqrt(steps) / noise)
        assert profile.delta(epsilon, direction) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("direction", ["remove", "add"])
@pytest.mark.parametrize(
    ("rate", "noise", "steps"), [(0.1, 1.0, 10), (1e-3, 0.6, 500), (1.0, 2.0, 1), (1.0, 1.0, 1000)]
)
def test_a_looked_up_delta_is_a_sum_over_all_losses(rate, noise, steps, direction):
    profile = privacy_profile(rate=rate, noise_multiplier=noise, steps=steps)
    losses = getattr(profile._losses, f"_pmf_{direction}")
    epsilons = np.array([-np.inf, -800.0, -3.0, -1e-6, 0.0, 1e-3, 1.0, 2.5, 8.0, 800.0, np.inf])
    expected = [min(losses.get_delta_for_epsilon(float(one)), 1.0) for one in epsilons]
    np.testing.assert_allclose(profile.delta(epsilons, direction), expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("direction", ["remove", "add"])
@pytest.mark.parametrize("epsilon", [-0.05, 0.0, 0.1, 1.0])
def test_one_sampled_step_is_its_integral(epsilon, direction):
    profile = privacy_profile(rate=0.2, noise_multiplier=1.0, steps=1)
    expected = integrated_delta(epsilon, 0.2, 1.0, direction)
    assert profile.delta(epsilon, direction) == pytest.approx(expected, abs=1e-5)


# 50,000 examples, batches of 128, 1,955 steps: from notes, computed there by another route.
@pytest.mark.parametrize(
    ("rate", "noise", "advantage"),
    [
        (0.00256, 0.6485, 0.132),
        (0.0175, 1.059, 0.350),
        (0.0074, 0.777, 0.253),
        (0.00048, 0.554, 0.039),
    ],
)
def test_small_rates_are_right(rate, noise, advantage):
    profile = privacy_profile(rate=rate, noise_multiplier=noise, steps=1955)
    assert profile.advantage == pytest.approx(advantage, abs=0.004)


def test_rounding_losses_to_the_nearest_would_be_wrong_at_small_rates():
    """Why losses must be connected by dots: near -rate, half of a coarse cell is a large part."""
    rate, noise, steps, grid = 0.00256, 0.6485, 1955, 1e-3
    z = np.linspace(-10, 11, 400_001)
    mass = norm.pdf(z, 0, noise) * (1 - rate) + rate * norm.pdf(z, 1, noise)
    mass /= mass.sum()
    loss = np.log1p(rate * np.expm1((2 * z - 1) / (2 * noise**2)))
    cells = np.rint(loss / grid).astype(int)
    pmf = np.bincount(cells - cells.min(), mass)
    size = 1 << 21
    composed = np.fft.irfft(np.fft.rfft(pmf, size) ** steps, size)
    losses = (np.arange(size) + cells.min() * steps) * grid
    nearest = float(composed @ np.maximum(-np.expm1(-losses), 0))
    exact = privacy_profile(rate=rate, noise_multiplier=noise, steps=steps).advantage
    assert exact == pytest.approx(0.132, abs=0.004)
    assert nearest > 1.3 * exact


@given(MECHANISMS)
@settings(max_examples=12, deadline=None)
def test_the_advantage_is_delta_at_zero_in_both_directions(profile):
    assert profile.advantage == pytest.approx(profile.delta(0.0, "add"), abs=2e-4)
    assert profile.advantage == pytest.approx(profile.delta(0.0, "remove"), abs=2e-4)


@given(MECHANISMS, st.floats(0, 6))
@settings(max_examples=12, deadline=None)
def test_the_directions_mirror_each_other_at_negative_epsilons(profile, epsilon):
    mirrored = 1 - np.exp(-epsilon) + np.exp(-epsilon) * profile.delta(epsilon, "add")
    assert profile.delta(-epsilon, "remove") == pytest.approx(mirrored, abs=5e-4)


@given(MECHANISMS)
@settings(max_examples=10, deadline=None)
def test_epsilon_and_delta_undo_each_other(profile):
    delta = 0.3 * profile.advantage
    assert profile.delta(profile.epsilon(delta)) == pytest.approx(delta, rel=1e-3)


def test_the_trade_off_of_a_gaussian_is_known():
    profile = privacy_profile(rate=1.0, noise_multiplier=0.7, steps=1)
    alphas = np.array([0.0, 1e-3, 0.01, 0.2, 0.5, 0.9, 1.0])
    expected = norm.cdf(norm.ppf(1 - alphas) - 1 / 0.7)
    np.testing.assert_allclose(profile.trade_off(alphas), expected, atol=2e-3)


def test_simulated_noisy_sums_stay_within_the_trade_off():
    """The likelihood test of 200,000 runs of a canary of one dimension, with it and without."""
    rate, noise, steps, runs = 0.3, 1.0, 5, 200_000
    rng = np.random.default_rng(0)
    profile = privacy_profile(rate=rate, noise_multiplier=noise, steps=steps)

    def losses(present: bool) -> np.ndarray:
        drawn = (rng.random((runs, steps)) < rate) * present
        z = drawn + noise * rng.standard_normal((runs, steps))
        return np.log1p(rate * np.expm1((2 * z - 1) / (2 * noise**2))).sum(axis=1)

    with_, without = losses(True), losses(False)
    for alpha in (0.01, 0.05, 0.2, 0.5):
        threshold = np.quantile(without, 1 - alpha)
        missed = (with_ <= threshold).mean()
        error = 5 * np.sqrt(0.25 / runs)
        assert missed >= profile.trade_off(alpha) - error
        # The test is the best one: it comes close to the bound of its own direction.
        tight = max(
            1 - profile.delta(e, "remove") - np.exp(e) * alpha for e in np.linspace(-5, 5, 201)
        )
        assert missed == pytest.approx(tight, abs=error + 2e-3)


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(0.5, 1, 0.09276), (1, 2, 0.14988), (0.2, 4, 0.43742)]
)
def test_the_divergence_of_gaussians_is_known(one, other, expected):
    """Φ(-μ1/2) - Φ(-μ2/2)."""
    profiles = [privacy_profile(rate=1.0, noise_multiplier=1 / mu, steps=1) for mu in (one, other)]
    assert delta_divergence(*profiles) == pytest.approx(expected, abs=2e-4)
    assert norm.cdf(-one / 2) - norm.cdf(-other / 2) == pytest.approx(expected, abs=1e-5)


@given(MECHANISMS, MECHANISMS, MECHANISMS)
@settings(max_examples=10, deadline=None)
def test_the_divergence_is_a_metric_and_bounds_advantages(a, b, c):
    assert delta_divergence(a, b) == delta_divergence(b, a)
    assert 0 <= delta_divergence(a, b) <= 0.5
    assert delta_divergence(a, c) <= delta_divergence(a, b) + delta_divergence(b, c) + 1e-9
    assert abs(a.advantage - b.advantage) <= 2 * delta_divergence(a, b) + 1e-9


def test_who_never_joins_gives_nothing_away():
    profile = privacy_profile(rate=0.0, noise_multiplier=1.0, steps=10)
    assert profile.advantage == 0 and profile.epsilon(1e-9) == 0
    assert profile.trade_off(0.3) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(rate=1.5), "rate must lie between 0 and 1, got 1.5"),
        (dict(noise_multiplier=0.0), "noise_multiplier must be a finite number above 0, got 0.0"),
        (dict(steps=0), "steps must be an integer of at least 1, got 0"),
    ],
)
def test_bad_mechanisms_are_refused(wrong, message):
    with pytest.raises(Refused, match=message):
        privacy_profile(**{"rate": 0.1, "noise_multiplier": 1.0, "steps": 5} | wrong)


def test_bad_questions_are_refused():
    profile = privacy_profile(rate=0.1, noise_multiplier=1.0, steps=5)
    with pytest.raises(Refused, match="direction 'replace' is unknown"):
        profile.delta(1.0, "replace")
    with pytest.raises(Refused, match="delta must lie between 0 and 1"):
        profile.epsilon(2.0)
    with pytest.raises(Refused, match="epsilon must be a number, and may be infinite, got nan"):
        profile.delta(float("nan"))
    np.testing.assert_allclose(profile.trade_off([0.0, 1.0]), [1.0, 0.0])
