"""Metrics against scikit-learn, SciPy and plain counting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm
from sklearn.metrics import precision_score, roc_auc_score, roc_curve

from pptp_jax.metrics import (
    Bootstrap,
    Coarse,
    Ranking,
    advantage,
    attack_metrics,
    auc,
    balanced_accuracy,
    clopper_pearson,
    masked_mean,
    metric_names,
    ppv,
    roc,
    tnr_at_fnr,
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


@given(tied)
def test_roc_agrees_with_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    scores, membership = arrays(pairs)
    fpr, tpr, _ = roc_curve(membership, scores, drop_intermediate=False)
    np.testing.assert_allclose(np.array([fpr, tpr]), roc(scores, membership), atol=1e-12)


@given(tied, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))
def test_rates_are_what_counting_gives(pairs: list[tuple[int, bool]], rate: float) -> None:
    scores, membership = arrays(pairs)
    points = naive_points(scores, membership)
    curve = roc(scores, membership)
    assert tpr_at_fpr(curve, rate) == max(t for f, t in points if f <= rate)
    known = max(1 - f for f, t in points if 1 - t <= rate + 1e-12)
    assert tnr_at_fnr(curve, rate) == known
    assert known == pytest.approx(tpr_at_fpr(roc(-scores, ~membership), rate))
    assert balanced_accuracy(curve) == pytest.approx(max((t + 1 - f) / 2 for f, t in points))
    assert advantage(curve) == pytest.approx(max(t - f for f, t in points))


@given(tied, st.integers(0, 100))
def test_a_resample_is_what_copies_of_its_pairs_give(
    pairs: list[tuple[int, bool]], seed: int
) -> None:
    scores, membership = (np.resize(array, (3, 14)) for array in arrays(pairs))
    weights = [w[:1] for w in Bootstrap(3, 14, 1, seed).weights()]
    copies = np.multiply.outer(weights[0][0], weights[1][0])
    drawn = [np.repeat(array.ravel(), copies.ravel()) for array in (scores, membership)]
    if not 0 < drawn[1].sum() < len(drawn[1]) or membership.all() or not membership.any():
        return
    ranking, curve, rates = Ranking(scores, membership), roc(*drawn), [0.1, 0.25, 0.6, 1.0]
    weighed = ranking.weighed(*weights)
    assert ranking.auc(weighed)[0] == pytest.approx(auc(curve), abs=1e-12)
    assert ranking.advantage(weighed)[0] == pytest.approx(advantage(curve), abs=1e-12)
    for found, known in (
        (ranking.tpr_at_fpr(weighed, rates), [tpr_at_fpr(curve, rate) for rate in rates]),
        (ranking.tnr_at_fnr(weighed, rates), [tnr_at_fnr(curve, rate) for rate in rates]),
    ):
        np.testing.assert_allclose(found[0], known, atol=1e-12)


def test_the_precision_is_that_of_candidates_with_this_share_of_members() -> None:
    # Of 1,000 candidates 100 are members; 20 of these and 9 of the others are called members.
    truth = np.repeat([True, False], [100, 900])
    called = np.concatenate([np.arange(100) < 20, np.arange(900) < 9])
    assert ppv(0.2, 0.01, 0.1) == pytest.approx(precision_score(truth, called))
    # A guess at random is right as often as the prior says.
    assert ppv(0.01, 0.01, 0.1) == pytest.approx(0.1)


def test_one_call_finds_what_the_roc_holds(rng: np.random.Generator) -> None:
    membership = rng.random((4, 3000)) < 0.5
    scores = rng.normal(size=(4, 3000)) + membership
    found, curve = attack_metrics(scores, membership, resamples=40), roc(scores, membership)
    assert tuple(found) == metric_names()
    values = {name: estimate.value for name, estimate in found.items()}
    assert values["advantage"] == pytest.approx(advantage(curve))
    assert values["balanced_accuracy"] == pytest.approx(balanced_accuracy(curve))
    for rate in (0.1, 0.01, 0.001):
        assert values[f"tpr@{rate}"] == pytest.approx(tpr_at_fpr(curve, rate))
        assert values[f"tnr@{rate}"] == pytest.approx(tnr_at_fnr(curve, rate))
    for prior in (0.01, 0.1, 0.5):
        for fpr in (0.01, 0.001):
            name = f"ppv@prior{prior}@fpr{fpr}"
            assert values[name] == pytest.approx(ppv(values[f"tpr@{fpr}"], fpr, prior))
            assert found[name].low <= values[name] <= found[name].high


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
    assert found["advantage"] == (0, 0, 0)


def test_infinite_scores_tie_as_any_others() -> None:
    scores, membership = np.array([np.inf, np.inf, -np.inf, -np.inf]), np.array([1, 0, 1, 0]) > 0
    assert auc(roc(scores, membership)) == 0.5
    assert attack_metrics(scores[None], membership[None], resamples=9)["auc"].value == 0.5


def test_gaussian_scores_give_the_known_auc_within_the_interval(rng: np.random.Generator) -> None:
    membership = rng.random((8, 2000)) < 0.5
    found = attack_metrics(rng.normal(size=(8, 2000)) + membership, membership)
    for name, known in [
        ("auc", norm.cdf(1 / np.sqrt(2))),
        ("balanced_accuracy", norm.cdf(0.5)),
        ("advantage", 2 * norm.cdf(0.5) - 1),
        ("tpr@0.01", norm.sf(norm.isf(0.01) - 1)),
        ("tpr@0.001", norm.sf(norm.isf(0.001) - 1)),
        ("tnr@0.01", norm.sf(norm.isf(0.01) - 1)),
        ("ppv@prior0.1@fpr0.01", ppv(norm.sf(norm.isf(0.01) - 1), 0.01, 0.1)),
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


def test_a_rate_below_what_the_sample_tells_is_unresolved_and_one_just_above_it_coarse() -> None:
    # 1,000 members and 100 non-members.
    membership = np.arange(1100).reshape(1, 1100) % 11 > 0
    found = attack_metrics(np.arange(1100.0).reshape(1, 1100), membership, resamples=9)
    unresolved = {name for name, estimate in found.items() if estimate.value is None}
    coarse = {name for name, estimate in found.items() if isinstance(estimate, Coarse)}
    ppvs = {name for name in metric_names() if name.startswith("ppv")}
    assert unresolved == {"tpr@0.001", "tpr@0.0001", "tnr@0.0001"} | {
        name for name in ppvs if name.endswith("@fpr0.001")
    }
    assert coarse == {"tpr@0.01", "tnr@0.001"} | {
        name for name in ppvs if name.endswith("@fpr0.01")
    }


def test_a_rate_of_none_in_a_sample_has_a_width() -> None:
    # The highest score is a non-member's, and only one may pass: no member is found.
    membership = np.arange(200).reshape(1, 200) < 100
    scores = np.where(membership, 0.0, np.arange(200.0).reshape(1, 200))
    found = attack_metrics(scores, membership, resamples=20)["tpr@0.01"]
    assert found == (0, *clopper_pearson(0, 100)) and found.high > 0.03


def test_mean_over_counts_the_chosen_pairs_alone(rng: np.random.Generator) -> None:
    outcomes, chosen = rng.random((5, 50)) < 0.7, rng.random((5, 50)) < 0.5
    found = masked_mean(outcomes, chosen)
    assert found.value == outcomes[chosen].mean()
    assert found.low < found.value < found.high
    assert masked_mean(outcomes, np.zeros_like(chosen)) == (None, None, None)


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
