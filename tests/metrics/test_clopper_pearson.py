"""Clopper-Pearson: against SciPy, hand-computed values, and the coverage that it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from pptp_jax.metrics import clopper_pearson


@given(st.integers(1, 300), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_scipy_agrees(trials, data, confidence):
    successes = data.draw(st.integers(0, trials))
    low, high = clopper_pearson(successes, trials, confidence=confidence)
    theirs = binomtest(successes, trials).proportion_ci(confidence, method="exact")
    assert low == pytest.approx(theirs.low, abs=1e-9)
    assert high == pytest.approx(theirs.high, abs=1e-9)


def test_no_success_and_no_failure_by_hand():
    # (1 − p)^n = .025 at p = 1 − .025^(1/n)
    limit = 1 - 0.025 ** (1 / 20)
    low, high = clopper_pearson(np.array([0, 20]), 20)
    np.testing.assert_allclose(low, [0, 1 - limit], rtol=1e-12)
    np.testing.assert_allclose(high, [limit, 1], rtol=1e-12)


@pytest.mark.parametrize("rate", [0.001, 0.05, 0.3, 0.9])
def test_each_limit_covers_as_it_promises(rate):
    counts = np.arange(51)
    low, high = clopper_pearson(counts, 50, confidence=0.9)
    chance = binom.pmf(counts, 50, rate)
    assert chance[low > rate].sum() <= 0.05
    assert chance[high < rate].sum() <= 0.05


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((3, 0, 0.95), "trials must be an integer of at least 1, got 0"),
        ((4, 3, 0.95), "successes must lie between 0 and trials = 3, got 4"),
        ((-1, 3, 0.95), "successes must lie between 0 and trials = 3, got -1"),
        ((1, 3, 1.0), "confidence must lie between 0 and 1, both excluded, got 1.0"),
    ],
)
def test_bad_input(args, message):
    *counts, confidence = args
    with pytest.raises(ValueError, match=message):
        clopper_pearson(*counts, confidence=confidence)
