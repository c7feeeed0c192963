"""The examples that an attack identifies best, against a slow twin and planted ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.metrics import alarm_rates, riskiest


def naive_risk(scores: np.ndarray, membership: np.ndarray, example: int) -> float:
    """How many nepers of false-positive rate lie between being a member and not being one."""
    nonmembers = [s for s, m in zip(scores.flat, membership.flat, strict=True) if not m]

    def log_rate(score: float) -> float:
        return math.log(max(1, sum(other >= score for other in nonmembers)) / len(nonmembers))

    sides: dict[bool, list[float]] = {True: [], False: []}
    for target in range(len(scores)):
        side = sides[bool(membership[target, example])]
        side.append(log_rate(scores[target, example]))
    outside = sides[False] or [log_rate(score) for score in nonmembers]
    return float(np.mean(outside) - np.mean(sides[True]))


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_the_order_is_that_of_a_slow_twin(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, size=(3, 8)).astype(float)  # with ties
    membership = rng.random((3, 8)) < 0.5
    membership[0, :2] = True, False
    chosen = riskiest(scores, membership, count)
    ever = np.flatnonzero(membership.any(axis=0))
    risks = {example: naive_risk(scores, membership, example) for example in ever}
    assert len(chosen) == min(count, len(ever)) and set(chosen) <= set(ever)
    expected = sorted(risks.values(), reverse=True)[: len(chosen)]
    np.testing.assert_allclose([risks[example] for example in chosen], expected, atol=1e-12)


def test_an_example_high_for_every_target_has_no_risk(rng: np.random.Generator) -> None:
    membership = np.arange(16)[:, None] % 2 == np.arange(100) % 2
    scores = rng.normal(size=(16, 100))
    scores[:, 7] += 10  # high whether it is a member or not
    scores[:, 42] += np.where(membership[:, 42], 3, -3)
    assert riskiest(scores, membership, 100)[0] == 42
    assert 7 not in riskiest(scores, membership, 20)


def test_only_the_order_of_scores_counts(rng: np.random.Generator) -> None:
    membership, scores = rng.random((4, 30)) < 0.5, rng.normal(size=(4, 30))
    rates = alarm_rates(scores, membership)
    np.testing.assert_array_equal(rates, alarm_rates(np.exp(scores), membership))
    assert rates.min() == 1 / (~membership).sum() and rates.max() == 1


def test_no_more_than_there_are_and_never_a_stranger() -> None:
    membership = np.array([[True, True, False, False]])
    assert riskiest(np.array([[1.0, 2.0, 1.5, 1.2]]), membership, 10).tolist() == [1, 0]
    with pytest.raises(ValueError, match="count must be an integer of at least 1, got 0"):
        riskiest(np.zeros((1, 4)), membership, 0)
