"""Metrics against scikit-learn, SciPy and plain counting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm
from sklearn.metrics import roc_auc_score

from pptp_jax.metrics import (
    attack_metrics,
    auc,
    balanced_accuracy,
    mean_over,
    roc,
    tpr_at_fpr,
)

# Few different scores, so that ties are the rule.
tied = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: len({member for _, member in pairs}) == 2
)


def arrays(pairs: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    scores, membership = zip(*pairs, strict=True)
    return np.array(scores, float), np.array(membership)


def naive_points(scores: np.ndarray, membership: np.ndarray) -> list[tuple[float, float]]:
    """(FPR, TPR) at every threshold, by counting."""
    points = []
    for threshold in [np.inf, *sorted(set(scores), reverse=True)]:
        called = scores >= threshold
        points.append((called[~membership].mean(), called[membership].mean()))
    return points


@given(tied)
def test_roc_is_what_counting_gives(pairs: list[tuple[int, bool]]) -> None:
    scores, membership = arrays(pairs)
    curve = roc(scores, membership)
    np.testing.assert_allclose(np.array(naive_points(scores, membership)).T, curve)


@given(tied)
def test_auc_agrees_with_scikit_learn_and_with_the_rank_sum(pairs: list[tuple[int, bool]]) -> None:
    scores, membership = arrays(pairs)
    ours = auc(roc(scores, membership))
    assert ours == pytest.approx(roc_auc_score(membership, scores), abs=1e-12)
    rank_sum = mannwhitneyu(scores[membership], scores[~membership]).statistic
    assert ours == pytest.approx(rank_sum / membership.sum() / (~membership).sum(), abs=1e-12)


@given(tied, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))
def test_rates_are_what_counting_gives(pairs: list[tuple[int, bool]], fpr: float) -> None:
    scores, membership = arrays(pairs)
    points = naive_points(scores, membership)
    curve = roc(scores, membership)
    assert tpr_at_fpr(curve, fpr) == max(t for f, t in points if f <= fpr)
    assert balanced_accuracy(curve) == pytest.approx(max((t + 1 - f) / 2 for f, t in points))


@given(tied)
def test_a_monotone_transform_changes_no_roc(pairs: list[tuple[int, bool]]) -> None:
    scores, membership = arrays(pairs)
    for mine, other in zip(roc(scores, membership), roc(np.exp(scores), membership), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_constant_scores_give_one_half_exactly() -> None:
    membership = np.arange(30).reshape(3, 10) % 3 == 0
    found = attack_metrics(np.full((3, 10), 0.1), membership)
    assert found["auc"] == (0.5, 0.5, 0.5)
    assert found["balanced_accuracy"] == (0.5, 0.5, 0.5)


def test_gaussian_scores_give_the_known_auc_within_the_interval(rng: np.random.Generator) -> None:
    membership = rng.random((8, 2000)) < 0.5
    found = attack_metrics(rng.normal(size=(8, 2000)) + membership, membership)
    for name, known in [
        ("auc", norm.cdf(1 / np.sqrt(2))),
        ("balanced_accuracy", norm.cdf(0.5)),
        ("tpr@0.01", norm.sf(norm.isf(0.01) - 1)),
    ]:
        assert found[name].low < known < found[name].high, name


def test_intervals_cover_the_truth_as_often_as_they_say(rng: np.random.Generator) -> None:
    truth, covered = norm.cdf(1 / np.sqrt(2)), 0
    for trial in range(60):
        membership = rng.random((6, 60)) < 0.5
        scores = rng.normal(size=(6, 60)) + membership
        found = attack_metrics(scores, membership, resamples=200, seed=trial)["auc"]
        covered += found.low <= truth <= found.high
    # At 95 % the count falls below 51 of 60 once in about 3,000 times; both sides are resampled,
    # which makes the intervals wider than needed for scores that are independent, as here.
    assert covered >= 51


def test_intervals_grow_when_targets_differ(rng: np.random.Generator) -> None:
    membership = rng.random((4, 400)) < 0.5
    alike = rng.normal(size=(4, 400)) + membership
    differing = rng.normal(size=(4, 400)) + membership * np.array([[0.0], [0.0], [2.0], [2.0]])

    def width(scores: np.ndarray) -> float:
        found = attack_metrics(scores, membership)["auc"]
        return found.high - found.low

    assert width(differing) > 2 * width(alike)


def test_a_rate_below_what_the_sample_tells_is_unresolved() -> None:
    membership = np.arange(400).reshape(1, 400) % 2 == 0
    scores = np.arange(400.0).reshape(1, 400)
    found = attack_metrics(scores, membership)
    assert found["tpr@0.001"] == (None, None, None)
    assert found["tpr@0.01"].value is not None


def test_mean_over_counts_the_chosen_pairs_alone(rng: np.random.Generator) -> None:
    outcomes, chosen = rng.random((5, 50)) < 0.7, rng.random((5, 50)) < 0.5
    found = mean_over(outcomes, chosen)
    assert found.value == outcomes[chosen].mean()
    assert found.low < found.value < found.high
    assert mean_over(outcomes, np.zeros_like(chosen)) == (None, None, None)


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_a_seed_gives_one_interval(seed: int) -> None:
    membership = np.arange(40).reshape(2, 20) % 2 == 0
    scores = np.sin(np.arange(40.0)).reshape(2, 20)
    first, second = (attack_metrics(scores, membership, seed=seed) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("scores", "membership", "message"),
    [
        (np.zeros(3), np.zeros(4, bool), r"one shape, got \(3,\) and \(4,\)"),
        (np.array([np.nan, 0]), np.array([True, False]), "1 of them are NaN"),
        (np.zeros(2), np.ones(2, bool), "members and non-members, got 2 and 0"),
    ],
)
def test_bad_input(scores: np.ndarray, membership: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        roc(scores, membership)
