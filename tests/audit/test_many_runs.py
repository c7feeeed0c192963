"""The bound from many runs: by hand, against a naive twin and jax_privacy, and as a promise."""

import math

import numpy as np
import pytest
from dp_accounting.gaussian_mechanism import get_epsilon_gaussian
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pptp_jax.audit import epsilon_in_many_runs, jax_privacy_auditor


def naive_bound(inside, outside, threshold, delta, significance):
    def limits(calls):
        found = binomtest(int(calls.sum()), len(calls)).proportion_ci(1 - significance, "exact")
        return found.low, found.high

    best = 0.0
    for calls in (lambda s: s >= threshold, lambda s: s < threshold):
        for hits, misses in ((inside, outside), (outside, inside)):
            low, high = limits(calls(hits))[0], limits(calls(misses))[1]
            if low > delta:
                best = max(best, math.log((low - delta) / high))
    return best


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 10_000), st.floats(0, 3))
def test_at_a_threshold_it_is_a_naive_twin(inside, outside, seed, shift):
    rng = np.random.default_rng(seed)
    membership = np.arange(inside + outside) < inside
    scores = rng.normal(size=len(membership)) + shift * membership
    found = epsilon_in_many_runs(scores, membership, delta=0.01, threshold=0.5)
    twin = naive_bound(scores[membership], scores[~membership], 0.5, 0.01, 0.05)
    # The twin also tries calling "in" what scores low, which only ever helps a score that is
    # the wrong way round.
    assert found.epsilon <= twin + 1e-9
    if scores[membership].mean() > scores[~membership].mean() + 1:
        assert found.epsilon == pytest.approx(twin, abs=1e-9)


def test_by_hand():
    # 100 runs of either kind distinguished without an error: each limit is .025^(1/100).
    membership = np.arange(200) % 2 == 0
    limit = 0.025 ** (1 / 100)
    found = epsilon_in_many_runs(membership * 2.0, membership, threshold=1.0)
    assert found.epsilon == pytest.approx(math.log(limit / (1 - limit)))
    found = epsilon_in_many_runs(membership * 2.0, membership, threshold=1.0, delta=0.1)
    assert found.epsilon == pytest.approx(math.log((limit - 0.1) / (1 - limit)))
    assert str(found).endswith(
        "(0 of 100 runs without the canary and 100 of 100 with it called in)"
    )
    # One error of each kind in 100: the limits solve binomial equations, here from tables.
    scores = membership * 2.0
    scores[:2] = scores[1::-1]
    found = epsilon_in_many_runs(scores, membership, threshold=1.0)
    assert found.epsilon == pytest.approx(math.log((1 - 0.0545) / 0.0545), abs=0.01)


def flipped(rng, runs, epsilon, delta=0.0):
    membership = rng.random(runs) < 0.5
    lies = (rng.random(runs) < 1 / (1 + math.exp(epsilon))) & (rng.random(runs) >= delta)
    return np.where(membership ^ lies, 1.0, -1.0) + rng.random(runs) / 2, membership


@pytest.mark.parametrize("threshold", ["split", "ranks", 0.0])
@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (1.0, 0.05)])
def test_the_bound_holds_as_often_as_it_promises_and_is_not_far_below(threshold, epsilon, delta):
    rng = np.random.default_rng(2)
    bounds = np.array(
        [
            epsilon_in_many_runs(
                *flipped(rng, 600, epsilon, delta),
                delta=delta,
                confidence=0.9,
                threshold=threshold,
            ).epsilon
            for _ in range(200)
        ]
    )
    # At a rate of 10 % more than 33 of 200 are too high once in a thousand times only.
    assert (bounds > epsilon).sum() <= 33
    if epsilon:
        assert np.median(bounds) > 0.5 * epsilon


@pytest.mark.parametrize("threshold", ["split", "ranks"])
@pytest.mark.parametrize("sharp", [0, 1])
def test_it_holds_for_scores_that_tempt_a_chooser(threshold, sharp):
    """No leak at all, continuous scores or tied ones: the best of many thresholds must not win."""
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(400):
        membership = rng.random(60) < 0.5
        scores = rng.normal(size=60) if sharp else rng.integers(0, 4, 60)
        found += (
            epsilon_in_many_runs(scores, membership, confidence=0.9, threshold=threshold).epsilon
            > 0
        )
    assert found <= 59  # at 10 %, more than 59 of 400 come once in a thousand times


@pytest.mark.parametrize("threshold", ["split", "ranks"])
def test_a_gaussian_mechanism_stays_above_its_bound_and_is_found(threshold):
    rng = np.random.default_rng(4)
    delta, sigma = 1e-3, 1.0
    true = get_epsilon_gaussian(sigma, delta)
    bounds = []
    for _ in range(60):
        membership = rng.random(2000) < 0.5
        scores = membership + rng.normal(size=2000) * sigma
        bounds.append(
            epsilon_in_many_runs(scores, membership, delta=delta, threshold=threshold).epsilon
        )
    assert np.sum(np.array(bounds) > true) <= 9
    # The thresholds that tell most have rates too small to be counted in 2,000 runs.
    assert np.median(bounds) > 0.25 * true


def test_a_canary_is_chosen_on_runs_of_its_own():
    rng = np.random.default_rng(5)
    membership = rng.random((400, 20)) < 0.5
    scores = rng.normal(size=(400, 20))
    scores[:, 7] += 6 * membership[:, 7]
    found = epsilon_in_many_runs(scores, membership)
    assert "canary 7 and threshold chosen on the other half" in found.evidence
    assert found.epsilon > 2.5
    # The best of twenty canaries that tell nothing is not believed.
    false = 0
    for _ in range(100):
        membership = rng.random((60, 20)) < 0.5
        false += epsilon_in_many_runs(rng.normal(size=(60, 20)), membership).epsilon > 0
    assert false <= 12


def test_more_runs_less_delta_and_less_confidence_give_a_higher_bound():
    membership = np.arange(200) % 2 == 0
    scores = 1.0 * membership
    whole = epsilon_in_many_runs(scores, membership, threshold=0.5).epsilon
    assert whole > epsilon_in_many_runs(scores[:100], membership[:100], threshold=0.5).epsilon
    assert whole > epsilon_in_many_runs(scores, membership, threshold=0.5, delta=0.1).epsilon
    surer = epsilon_in_many_runs(scores, membership, threshold=0.5, confidence=0.99)
    assert whole > surer.epsilon > 0
    for choice in ("split", "ranks"):
        assert whole > epsilon_in_many_runs(scores, membership, threshold=choice).epsilon > 0


def test_no_bound_from_scores_that_are_all_equal():
    membership = np.arange(100) < 50
    for threshold in ("split", "ranks", 0.0, 1.0):
        assert epsilon_in_many_runs(np.zeros(100), membership, threshold=threshold).epsilon == 0


@pytest.mark.parametrize("delta", [0.0, 1e-3])
def test_jax_privacy_agrees_at_a_threshold(rng, delta):
    from jax_privacy.auditing import Explicit

    scores, membership = flipped(rng, 500, 2.0)
    auditor = jax_privacy_auditor(scores, membership)
    for threshold in (-0.8, 0.0, 1.2):
        ours = epsilon_in_many_runs(scores, membership, delta=delta, threshold=threshold)
        theirs = auditor.epsilon_clopper_pearson(
            significance=0.05,
            delta=delta,
            one_sided=False,
            threshold_strategy=Explicit(threshold),
        )
        assert ours.epsilon == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.zeros(9)}, r"must have one shape, got \(9,\) and \(10,\)"),
        (
            {"membership": np.arange(10) < 1},
            "needs at least 2 runs with and 2 without each canary, and some canary has 1 of one",
        ),
        ({"threshold": "best"}, "threshold 'best' is unknown"),
        (
            {
                "scores": np.zeros((10, 3)),
                "membership": np.tile(np.arange(10)[:, None] < 5, 3),
                "threshold": "ranks",
            },
            "one of 3 canaries can only be chosen on runs of its own: give threshold='split'",
        ),
        (
            {"scores": np.zeros((5, 2, 1)), "membership": np.ones((5, 2, 1), bool)},
            r"many runs need scores of shape \(runs,\) or \(runs, canaries\), got \(5, 2, 1\)",
        ),
    ],
)
def test_bad_input(change, message):
    good = {"scores": np.zeros(10), "membership": np.arange(10) < 5}
    with pytest.raises(ValueError, match=message):
        epsilon_in_many_runs(**(good | change))


def test_the_bridge_says_what_is_missing(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "jax_privacy.auditing", None)
    with pytest.raises(ImportError, match=r'pip install "pptp-jax\[audit\]"'):
        jax_privacy_auditor(np.zeros(2), np.arange(2) < 1)
