"""Budgets for each example: kept, spent, and alike where all are alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pptp_jax.privacy import individual_clipping, individual_sampling, noise_within, privacy_profile
from pptp_jax.validation import Refused

DELTA = 1e-5
RUN = {"expected_batch_size": 10, "steps": 40}
BUDGETS = st.lists(st.sampled_from([1.0, 2.0, 8.0]), min_size=40, max_size=40)


@pytest.mark.parametrize("budget", [individual_sampling, individual_clipping])
def test_equal_budgets_are_plain_private_training(budget):
    found = budget([3.0] * 80, DELTA, **RUN)
    noise = noise_within(3.0, DELTA, rate=10 / 80, steps=40)
    assert found.noise_multiplier == pytest.approx(noise, rel=1e-3)
    np.testing.assert_allclose(found.rates, 10 / 80, rtol=1e-3)
    np.testing.assert_allclose(found.norms, 1)


@pytest.mark.parametrize("budget", [individual_sampling, individual_clipping])
@given(budgets=BUDGETS)
@settings(max_examples=4, deadline=None)
def test_each_budget_is_kept_and_batches_are_as_large_as_expected(budget, budgets):
    found = budget(budgets, DELTA, **RUN)
    assert found.rates.sum() == pytest.approx(10, rel=1e-3)
    assert found.rates @ found.norms == pytest.approx(10, rel=1e-3)
    for epsilon in set(budgets):
        profile = found.profile(budgets.index(epsilon))
        assert profile.delta(epsilon) <= DELTA
        # ... and not much is left of it.
        assert profile.epsilon(DELTA) > 0.75 * epsilon


def test_clipping_makes_an_example_independent_of_the_others():
    one = individual_clipping([8.0] + [8.0] * 39, DELTA, **RUN).profile(0)
    other = individual_clipping([8.0] + [1.0] * 39, DELTA, **RUN).profile(0)
    assert one.noise_multiplier == pytest.approx(other.noise_multiplier, rel=1e-9)
    assert one.rate == other.rate


@given(BUDGETS, st.integers(1, 39))
@settings(max_examples=3, deadline=None)
def test_lower_budgets_of_others_never_lower_noise_or_rate(budgets, who):
    before = individual_sampling(budgets, DELTA, **RUN)
    lowered = [min(b, 1.0) if i == who else b for i, b in enumerate(budgets)]
    after = individual_sampling(lowered, DELTA, **RUN)
    assert after.noise_multiplier >= before.noise_multiplier * (1 - 1e-4)
    assert after.rates[0] >= before.rates[0] * (1 - 1e-3) or who == 0


# 50,000 examples, batches of 128, 1,955 steps, δ = 1e-12: from research notes.
@pytest.mark.parametrize(
    ("other", "share", "noise", "rate"),
    [(2.0, 0.05, 1.059, 0.0175), (4.0, 0.2, 0.777, 0.0074), (32.0, 0.8, 0.554, 0.00048)],
)
@pytest.mark.slow
def test_published_settings_are_found_again(other, share, noise, rate):
    budgets = np.where(np.arange(50_000) < share * 50_000, 8.0, other)
    found = individual_sampling(budgets, 1e-12, expected_batch_size=128, steps=1955)
    # At the orders of divergences that were tried there.
    assert found.noise_multiplier == pytest.approx(noise, abs=0.025)
    assert found.rates[0] == pytest.approx(rate, rel=0.1)
    assert found.profile(0).delta(8.0) < 1e-12


def test_budgets_that_leave_examples_out_are_named():
    budgets = np.where(np.arange(1000) < 990, 60.0, 0.01)
    found = individual_sampling(budgets, 1e-12, expected_batch_size=20, steps=500)
    assert found.never_drawn == (0.01,)


def test_many_budgets_are_rounded_down():
    budgets = np.linspace(1.0, 4.0, 200)
    found = individual_clipping(budgets, DELTA, **RUN)
    assert (found.epsilons <= budgets).all() and len(np.unique(found.epsilons)) == 64


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(epsilons=[1.0, -2.0]), "each epsilon must be positive and finite, got -2"),
        (dict(epsilons=[1.0, np.inf]), "each epsilon must be positive and finite, got inf"),
        (dict(expected_batch_size="2"), "expected_batch_size must be a finite number above 0"),
        (dict(epsilons=[]), "epsilons must be one number an example, got shape"),
        (dict(delta=1.0), "delta must lie between 0 and 1, both excluded"),
        (dict(expected_batch_size=9), "at most the number of examples, 2; got 9"),
        (dict(steps=0), "steps must be an integer of at least 1"),
    ],
)
def test_bad_budgets_are_refused(wrong, message):
    given_ = {"epsilons": [1.0, 2.0], "delta": DELTA, "expected_batch_size": 1, "steps": 10} | wrong
    with pytest.raises(Refused, match=message):
        individual_sampling(**given_)


def test_a_profile_needs_a_place():
    found = individual_clipping([1.0, 2.0], DELTA, expected_batch_size=1, steps=10)
    with pytest.raises(Refused, match="example must be one of 0 to 1, got 2"):
        found.profile(2)
    with pytest.raises(Refused, match=r"example must be one of 0 to 1, got 0\.5"):
        found.profile(0.5)
    assert found.profile(1) == privacy_profile(
        rate=0.5, noise_multiplier=found.noise_multiplier / found.norms[1], steps=10
    )


def test_a_batch_of_all_examples_needs_no_more_noise_than_the_least_budget():
    run = dict(expected_batch_size=3, steps=5)
    found = individual_sampling([2.0, 4.0, 8.0], DELTA, **run)
    expected = individual_sampling([2.0], DELTA, expected_batch_size=1, steps=5).noise_multiplier
    assert (found.rates == 1).all()
    assert found.noise_multiplier == pytest.approx(expected, rel=1e-3)
    alone = individual_clipping([2.0], DELTA, expected_batch_size=1, steps=5).noise_multiplier
    assert expected == pytest.approx(alone, rel=1e-3)


def test_a_budget_below_what_any_rate_spends_is_kept_by_never_drawing():
    budgets = [8.0] * 20 + [1e-6] * 20
    found = individual_sampling(budgets, 1e-12, expected_batch_size=2, steps=20)
    assert found.rates[-1] == 0 and found.never_drawn == (1e-6,)
    assert found.profile(30).delta(1e-6) <= 1e-12
