"""The bound from one run: by hand, against a naive twin and jax_privacy, and as a promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.audit import (
    epsilon_in_one_run,
    jax_privacy_auditor,
    one_run_bound,
    one_run_p_value,
)


def naive_p_value(canaries, guesses, right, epsilon, delta):
    q = math.exp(epsilon) / (1 + math.exp(epsilon))

    def f(v):
        chances = (
            math.comb(guesses, k) * q**k * (1 - q) ** (guesses - k) for k in range(guesses + 1)
        )
        return sum(chance for k, chance in enumerate(chances) if k >= v)

    steepest = max(((f(right - i) - f(right)) / i for i in range(1, right + 1)), default=0.0)
    return min(1.0, f(right) + 2 * canaries * delta * steepest)


@given(
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(0, 20),
    st.floats(0, 5),
    st.sampled_from([0.0, 1e-5, 1e-2, 0.3]),
)
def test_the_p_value_is_that_of_a_naive_twin(a, b, c, epsilon, delta):
    right, guesses, canaries = sorted((a, b + 1, c + 1))
    guesses, canaries = max(guesses, 1), max(canaries, 1)
    ours = one_run_p_value(canaries, guesses, right, epsilon, delta)
    assert ours == pytest.approx(naive_p_value(canaries, guesses, right, epsilon, delta), abs=1e-9)


def test_by_hand():
    # All right: q^r = α.
    for guesses in (8, 100, 10_000):
        q = 0.05 ** (1 / guesses)
        assert one_run_bound(guesses, guesses, guesses) == pytest.approx(math.log(q / (1 - q)))
    # 9 of 10: q^10 + 10 q^9 (1 − q) = .05 at q = .6058.
    q = math.exp(one_run_bound(10, 10, 9)) / (1 + math.exp(one_run_bound(10, 10, 9)))
    assert q**10 + 10 * q**9 * (1 - q) == pytest.approx(0.05, rel=1e-6)
    # Half of the guesses right is chance.
    assert one_run_bound(100, 100, 50) == 0.0
    # With m δ as large as this there is no bound above 0.
    assert one_run_bound(100, 100, 100, delta=0.1) == 0.0


@given(st.integers(8, 200), st.data())
def test_more_right_guesses_less_delta_and_less_confidence_give_a_higher_bound(guesses, data):
    right = data.draw(st.integers(1, guesses))
    bound = one_run_bound(200, guesses, right, delta=1e-4)
    slack = 1e-9
    assert bound >= one_run_bound(200, guesses, right - 1, delta=1e-4) - slack
    assert bound >= one_run_bound(200, guesses, right, delta=1e-3) - slack
    assert bound >= one_run_bound(400, guesses, right, delta=1e-4) - slack
    assert bound >= one_run_bound(200, guesses, right, delta=1e-4, confidence=0.99) - slack


def flipped(rng, canaries, epsilon, delta=0.0):
    """Randomised response: each bit flipped by chance, or with probability δ published as it is."""
    membership = rng.random(canaries) < 0.5
    lies = (rng.random(canaries) < 1 / (1 + math.exp(epsilon))) & (rng.random(canaries) >= delta)
    told = np.where(membership ^ lies, 1.0, -1.0)
    return told + rng.random(canaries) / 2, membership


@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 0.0), (1.0, 0.0), (3.0, 0.0), (1.0, 0.01)])
@pytest.mark.parametrize("guesses", [None, 100])
def test_the_bound_holds_as_often_as_it_promises_and_is_not_far_below(epsilon, delta, guesses):
    rng = np.random.default_rng(1)
    bounds = np.array(
        [
            epsilon_in_one_run(
                *flipped(rng, 400, epsilon, delta), delta=delta, confidence=0.9, guesses=guesses
            ).epsilon
            for _ in range(200)
        ]
    )
    # At a rate of 10 % more than 33 of 200 are too high once in a thousand times only.
    assert (bounds > epsilon).sum() <= 33
    if epsilon and not delta:
        assert np.median(bounds) > 0.6 * epsilon


def test_a_bound_that_ignores_the_number_of_looks_would_not_hold():
    """The correction is needed: the best of many looks is too high too often without it."""
    rng = np.random.default_rng(0)
    looks, numbers, tries = 0, range(8, 200, 8), 100
    for _ in range(tries):
        membership = rng.random(200) < 0.5
        inside = membership[np.argsort(rng.random(200))].cumsum()
        looks += max(one_run_bound(200, n, int(inside[n - 1])) for n in numbers) > 0
    assert looks / tries > 0.1


def test_equal_scores_tell_nothing_whatever_the_order_of_the_canaries():
    membership = np.arange(400) < 200  # members first
    found = epsilon_in_one_run(np.zeros(400), membership)
    assert found.epsilon == 0.0


def test_an_increasing_transform_changes_nothing(rng):
    scores, membership = flipped(rng, 300, 2.0)
    found = epsilon_in_one_run(scores, membership, delta=1e-5)
    assert epsilon_in_one_run(np.exp(scores), membership, delta=1e-5) == found


def test_several_numbers_of_guesses_pay_for_the_choice(rng):
    scores, membership = flipped(rng, 300, 2.0)
    alone = epsilon_in_one_run(scores, membership, guesses=80)
    paid = epsilon_in_one_run(scores, membership, guesses=(80,) * 5)
    assert alone.epsilon > paid.epsilon
    right = int(alone.evidence.split()[0])
    assert paid.epsilon == one_run_bound(300, 80, right, confidence=1 - 0.05 / 5)


@pytest.mark.parametrize("delta", [1e-6, 1e-3])
def test_jax_privacy_agrees_at_a_threshold(rng, delta):
    from jax_privacy.auditing import Explicit

    scores, membership = flipped(rng, 500, 2.0)
    guesses = int((scores >= 1.2).sum())
    ours = epsilon_in_one_run(scores, membership, delta=delta, guesses=guesses, sides="in")
    theirs = jax_privacy_auditor(scores, membership).epsilon_one_run(
        significance=0.05, delta=delta, threshold_strategy=Explicit(1.2)
    )
    assert ours.epsilon > 0.5
    assert ours.epsilon == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.zeros(9)}, r"must have one shape, got \(9,\) and \(10,\)"),
        ({"membership": np.ones(10)}, "membership must be boolean, got an array of float64"),
        ({"scores": np.full(10, np.nan)}, "scores must be finite, 10 of 10 are not"),
        ({"guesses": 11}, "there are 10 canaries, too few for 11 guesses"),
        ({"guesses": ()}, "guesses must be a number, or one or more of them; got none"),
        ({"guesses": 0}, r"guesses\[0\] must be an integer of at least 1, got 0"),
        ({"delta": 2.0}, "delta must lie between 0 and 1, got 2.0"),
        ({"confidence": 0.05}, "confidence must lie between 0.5 and 1, 1 excluded, got 0.05"),
        ({"sides": "out"}, "sides 'out' is unknown"),
    ],
)
def test_bad_input(change, message):
    good = {"scores": np.zeros(10), "membership": np.ones(10, bool)}
    with pytest.raises(ValueError, match=message):
        epsilon_in_one_run(**(good | change))


def test_wrong_shapes_and_counts_are_refused():
    with pytest.raises(ValueError, match=r"one run needs scores of shape \(canaries,\), got"):
        epsilon_in_one_run(np.zeros((2, 5)), np.ones((2, 5), bool))
    with pytest.raises(ValueError, match="needs right ≤ guesses ≤ canaries, got 5 right of 4"):
        one_run_bound(10, 4, 5)
