"""DeLong's interval against a naive twin, and how often it holds the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from pptp_jax.metrics import attack_metrics, clopper_pearson, delong

tied = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=4, max_size=40).filter(
    lambda pairs: 2 <= sum(member for _, member in pairs) <= len(pairs) - 2
)


def naive(scores: np.ndarray, membership: np.ndarray) -> tuple[float, float]:
    """AUC and variance from the kernel of every pair."""
    kernel = np.array(
        [
            [1.0 if x > y else 0.5 if x == y else 0.0 for y in scores[~membership]]
            for x in scores[membership]
        ]
    )
    m, n = kernel.shape
    auc = kernel.sum() / (m * n)
    of_members = sum((row.sum() / n - auc) ** 2 for row in kernel) / (m - 1)
    of_others = sum((column.sum() / m - auc) ** 2 for column in kernel.T) / (n - 1)
    return auc, of_members / m + of_others / n


@given(tied)
def test_it_is_what_all_pairs_give(pairs: list[tuple[int, bool]]) -> None:
    scores, membership = (np.array(part) for part in zip(*pairs, strict=True))
    auc, variance = naive(scores, membership)
    found = delong(scores, membership)
    assert found.value == pytest.approx(auc, abs=1e-12)
    assert found.value == pytest.approx(roc_auc_score(membership, scores), abs=1e-12)
    if 1e-9 < auc < 1 - 1e-9:
        # Half the width on the logit scale, by the delta method.
        half = norm.isf(0.025) * np.sqrt(variance) / (auc * (1 - auc))
        known = expit(logit(auc) - half), expit(logit(auc) + half)
        assert found[1:] == pytest.approx(known, abs=1e-9)


def test_constant_scores_and_scores_without_a_pair_out_of_order() -> None:
    membership = np.arange(40) < 10
    assert delong(np.ones(40), membership) == (0.5, 0.5, 0.5)
    assert delong(-np.arange(40), membership) == (1, clopper_pearson(10, 10).low, 1)
    assert delong(np.arange(40), membership) == (0, 0, clopper_pearson(0, 10).high)


@pytest.mark.parametrize(("shift", "members", "others"), [(0.5, 40, 60), (2.5, 60, 40)])
def test_it_holds_the_truth_as_often_as_it_says(
    shift: float, members: int, others: int, rng: np.random.Generator
) -> None:
    membership, truth = np.arange(members + others) < members, norm.cdf(shift / np.sqrt(2))
    covered = 0
    for _ in range(1000):
        found = delong(rng.normal(size=members + others) + shift * membership, membership)
        covered += found.low <= truth <= found.high
    # At 95 % the count lies outside of 930 to 972 once in 300 times.
    assert 930 <= covered <= 972


def test_it_agrees_with_the_bootstrap_of_one_target(rng: np.random.Generator) -> None:
    membership = rng.random(2000) < 0.5
    scores = rng.normal(size=2000) + membership
    known = attack_metrics(scores[None], membership[None], resamples=2000)["auc"]
    np.testing.assert_allclose(delong(scores, membership), known, atol=0.002)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="two members and two non-members at least, got 1 and 3"):
        delong(np.zeros(4), np.arange(4) == 0)
    with pytest.raises(ValueError, match=r"those of one target, of shape .* got \(2, 2\)"):
        delong(np.zeros((2, 2)), np.eye(2, dtype=bool))
