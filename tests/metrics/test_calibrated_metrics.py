"""Thresholds from shadows against counting by hand."""

import numpy as np
import pytest
from scipy.stats import norm

from pptp_jax.metrics import Coarse, calibrated_metrics, clopper_pearson, cut_at_fpr


@pytest.fixture
def case(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    membership = rng.random((5, 2000)) < 0.5
    return rng.normal(size=(5, 2000)) + membership, membership


def test_each_target_gets_the_cut_of_the_others(case) -> None:
    scores, membership = case
    found = calibrated_metrics(scores, membership, fprs=[0.1])["fpr@0.1"]
    called = np.empty_like(membership)
    for t in range(5):
        rest = [i for i in range(5) if i != t]
        nonmembers = np.sort(scores[rest][~membership[rest]])[::-1]
        called[t] = scores[t] > nonmembers[int(0.1 * len(nonmembers))]
    tpr, fpr = called[membership].mean(), called[~membership].mean()
    assert found.tpr.value == pytest.approx(tpr) and found.fpr.value == pytest.approx(fpr)
    assert found.balanced_accuracy.value == pytest.approx((tpr + 1 - fpr) / 2)
    assert found.fpr.low < 0.1 < found.fpr.high
    assert found.tpr.low < norm.sf(norm.isf(0.1) - 1) < found.tpr.high


def test_the_best_cut_is_near_the_known_one(case) -> None:
    found = calibrated_metrics(*case)["best"]
    assert found.balanced_accuracy.low < norm.cdf(0.5) < found.balanced_accuracy.high
    assert set(found.to_json()) == {"tpr", "fpr", "balanced_accuracy"}


def test_a_target_unlike_its_shadows_shows(case) -> None:
    scores, membership = case
    shadows = {"shadow_scores": scores[1:], "shadow_membership": membership[1:]}
    found = calibrated_metrics(scores[:1] + 1, membership[:1], fprs=[0.01], **shadows)["fpr@0.01"]
    assert found.fpr.low > 0.03
    called = (scores[0] + 1 > cut_at_fpr(scores[1:], membership[1:], 0.01))[membership[0]]
    exact = clopper_pearson(called.sum(), len(called))
    # One target: the interval is Clopper's and Pearson's, or wider.
    assert found.tpr.low <= exact.low and found.tpr.high >= exact.high


def test_scores_that_tell_nothing_get_no_better_than_chance(rng: np.random.Generator) -> None:
    membership = rng.random((6, 300)) < 0.5
    found = calibrated_metrics(rng.normal(size=(6, 300)), membership)["best"].balanced_accuracy
    assert found.low < 0.5 < found.high


def test_rates_that_shadows_do_not_resolve(case) -> None:
    scores, membership = (part[:, :250] for part in case)
    found = calibrated_metrics(scores, membership, fprs=[0.1, 0.01, 0.001])
    assert found["fpr@0.001"].tpr == (None, None, None)
    assert isinstance(found["fpr@0.01"].tpr, Coarse)
    assert not isinstance(found["fpr@0.1"].tpr, Coarse)


def test_bad_input(case) -> None:
    scores, membership = case
    with pytest.raises(ValueError, match="single target needs shadow_scores"):
        calibrated_metrics(scores[:1], membership[:1])
    with pytest.raises(ValueError, match="must come together"):
        calibrated_metrics(scores, membership, shadow_scores=scores)
