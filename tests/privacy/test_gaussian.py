"""Gaussian differential privacy: by integration, and against dp-accounting."""

import dp_accounting as dp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from pptp_jax.privacy import gaussian_delta, gaussian_epsilon

MU = st.floats(0.05, 6)


@settings(max_examples=40, deadline=None)
@given(mu=MU, epsilon=st.floats(0, 8))
def test_delta_is_what_an_integral_finds(mu: float, epsilon: float) -> None:
    x = np.linspace(-12, 12 + mu, 40_001)
    excess = np.maximum(norm.pdf(x, mu) - np.exp(epsilon) * norm.pdf(x), 0.0)
    assert gaussian_delta(mu, epsilon) == pytest.approx(np.trapezoid(excess, x), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(mu=MU, delta=st.floats(1e-8, 0.01))
def test_epsilon_is_the_inverse_and_that_of_dp_accounting(mu: float, delta: float) -> None:
    found = gaussian_epsilon(mu, delta)
    assert found == pytest.approx(dp.get_epsilon_gaussian(1 / mu, delta), abs=1e-3, rel=1e-3)
    if found > 0:
        assert gaussian_delta(mu, found) == pytest.approx(delta, rel=1e-4)
    assert gaussian_epsilon(1.1 * mu, delta) >= found


def test_the_ends() -> None:
    assert gaussian_delta(0.0, 1.0) == gaussian_epsilon(0.0, 0.0) == 0.0
    assert gaussian_epsilon(0.1, 0.5) == 0.0
    with pytest.raises(ValueError, match="no ε at delta 0: give a delta above 0"):
        gaussian_epsilon(1.0, 0.0)
    with pytest.raises(ValueError, match="mu must be"):
        gaussian_delta(-1.0, 1.0)
