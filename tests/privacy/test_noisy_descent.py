"""Divergences of noisy descent: against simulation, and exact Gaussians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from pptp_jax.models import mlp
from pptp_jax.privacy import advantage_from_kl, expected_jacobian_norm, kl_of_noisy_gd
from pptp_jax.validation import Refused

NAMES = ("lecun", "xavier", "he", "ntk")


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ((20, 30, 3), (75.0, 90.5, 150.0, 360.0)),
        ((20, *[30] * 7, 3), (5.39, 7.55, 690.0, 2160.0)),
    ],
)
def test_the_norms_at_a_random_start_are_known(widths, expected):
    found = [expected_jacobian_norm(widths, name, 20.0) for name in NAMES]
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_one_layer_has_the_norm_of_its_input():
    assert expected_jacobian_norm((7, 4), "he", 3.0) == pytest.approx(4 * 3.0)


@pytest.mark.parametrize("name", NAMES)
def test_many_random_starts_have_that_norm_in_the_mean(name):
    widths, x = (6, 9, 5, 3), np.linspace(-1, 1, 6, dtype=np.float32)
    model = mlp(widths[1:-1], num_classes=3, activation="relu", initialization=name)

    def squared(key):
        own = model.init(key, jnp.asarray(x)[None])

        def outputs(params):
            return model.apply(params, {}, jnp.asarray(x)[None], train=False, key=None)[0][0]

        jacobian = jax.jacrev(outputs)(own.params)
        # Biases are zero at the start, and no part of the formula.
        kernels = [layer["kernel"] for layer in jacobian.values()]
        return sum(jnp.square(leaf).sum() for leaf in kernels)

    drawn = jax.jit(jax.vmap(squared))(jax.random.split(jax.random.key(0), 20_000))
    error = float(drawn.std()) / len(drawn) ** 0.5
    expected = expected_jacobian_norm(widths, name, float(x @ x))
    assert float(drawn.mean()) == pytest.approx(expected, abs=5 * error)


def test_the_trace_of_a_linear_model_is_the_divergence_of_two_gaussians():
    """w ← w − η (a w − b) + ξ: paths for b and b' are Gaussian, with one covariance."""
    a, b, other, eta, s, steps = 2.0, 1.0, 1.7, 0.1, 0.3, 5
    found = kl_of_noisy_gd([eta] * steps, [s] * steps, np.full((1, steps), (b - other) ** 2))
    # The path is w = R (η b 1 + ξ) with a lower triangular R, from w_0 = 0.
    shrink = 1 - eta * a
    r = np.array(
        [[shrink ** (i - j) if j <= i else 0.0 for j in range(steps)] for i in range(steps)]
    )
    means = [r @ np.full(steps, eta * target) for target in (b, other)]
    covariance = s**2 * r @ r.T
    apart = means[0] - means[1]
    assert found.value == pytest.approx(apart @ np.linalg.solve(covariance, apart) / 2)


def test_no_attacker_of_a_simulated_chain_has_more():
    """The likelihood test on the last iterate of 100,000 chains."""
    a, eta, s, steps, runs = 1.0, 0.2, 0.5, 8, 100_000
    rng = np.random.default_rng(0)
    ends = []
    for target in (1.0, 1.6):
        w = np.zeros(runs)
        for _ in range(steps):
            w += -eta * (a * w - target) + s * rng.normal(size=runs)
        ends.append(w)
    kl = kl_of_noisy_gd([eta] * steps, [s] * steps, np.full((1, steps), 0.36)).value
    middle = np.mean([end.mean() for end in ends])
    advantage = (ends[1] > middle).mean() - (ends[0] > middle).mean()
    assert 0.1 < advantage <= advantage_from_kl(kl)


def test_runs_give_an_interval_and_equal_data_nothing():
    rng = np.random.default_rng(0)
    found = kl_of_noisy_gd([0.1] * 4, [0.2] * 4, rng.exponential(size=(50, 4)))
    assert found.low < 4 * 0.1**2 / (2 * 0.2**2) < found.high
    assert kl_of_noisy_gd([0.1] * 4, [0.2] * 4, np.zeros((2, 4))).value == 0


def test_the_advantage_is_above_that_of_gaussians_and_below_one():
    kls = np.array([0.0, 1e-3, 0.1, 1.0, 5.0, 50.0])
    # Two unit Gaussians √(2 KL) apart.
    exact = 2 * norm.cdf(np.sqrt(2 * kls) / 2) - 1
    found = advantage_from_kl(kls)
    assert (found >= exact).all() and (found <= 1).all() and found[0] == 0


def test_bad_input_is_refused():
    with pytest.raises(Refused, match="initialization 'luck' is unknown"):
        expected_jacobian_norm((3, 2), "luck", 1.0)
    with pytest.raises(Refused, match="the number of widths must be an integer of at least 2"):
        expected_jacobian_norm((3,), "he", 1.0)
    with pytest.raises(Refused, match=r"got \(2,\), \(3,\) and \(1, 2\)"):
        kl_of_noisy_gd([1, 1], [1, 1, 1], [[1, 1]])
    with pytest.raises(Refused, match="noise_stddevs positive and squared differences at least 0"):
        kl_of_noisy_gd([1], [0], [[1]])
    with pytest.raises(Refused, match="step_sizes must be finite"):
        kl_of_noisy_gd([np.nan], [1], [[1]])
    with pytest.raises(Refused, match="need at least one run, got none"):
        kl_of_noisy_gd([1], [1], np.zeros((0, 1)))
    with pytest.raises(Refused, match="a divergence is at least 0"):
        advantage_from_kl(-1.0)
    with pytest.raises(Refused, match="initialization 'luck' is unknown"):
        mlp([4], num_classes=2, initialization="luck")
