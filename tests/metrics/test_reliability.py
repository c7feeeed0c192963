"""Brier scores and reliability against scikit-learn and counting."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss

from pptp_jax.metrics import brier, reliability


@pytest.fixture
def case(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are true."""
    probability = rng.beta(0.7, 0.7, size=(6, 500)).round(2)
    return probability, rng.random((6, 500)) < probability


def test_the_score_is_scikit_learns_and_the_sum_of_its_parts(case) -> None:
    probability, membership = case
    found = brier(probability, membership, resamples=50)
    known = brier_score_loss(membership.ravel(), probability.ravel())
    assert found.score.value == pytest.approx(known)
    assert found.score.low < known < found.score.high
    parts = found.miscalibration - found.discrimination + found.uncertainty
    assert parts == pytest.approx(known)
    best = IsotonicRegression().fit_transform(probability.ravel(), membership.ravel().astype(float))
    better = brier_score_loss(membership.ravel(), best)
    assert found.miscalibration == pytest.approx(known - better)
    assert 0 <= found.miscalibration < 0.01
    assert found.uncertainty == pytest.approx(membership.mean() * (1 - membership.mean()))


def test_probabilities_that_say_too_much_are_found_out(case) -> None:
    probability, membership = case
    odds = (probability / (1 - probability + 1e-9)) ** 3
    found = brier(odds / (1 + odds), membership, resamples=20)
    true = brier(probability, membership, resamples=20)
    # The order is the same, so the discrimination is.
    assert found.discrimination == pytest.approx(true.discrimination)
    assert found.miscalibration > true.miscalibration + 0.01


def test_bins_are_what_counting_gives(case) -> None:
    probability, membership = case
    found = reliability(probability, membership, resamples=50)
    assert sum(one.pairs for one in found) == probability.size
    for i, one in enumerate(found):
        last = i == len(found) - 1
        inside = (probability >= one.low) & ((probability < one.high) | last)
        assert (one.low, one.high) == pytest.approx((i / 10, (i + 1) / 10))
        assert one.pairs == inside.sum()
        assert one.probability == pytest.approx(probability[inside].mean())
        assert one.members.value == pytest.approx(membership[inside].mean())
        assert one.members.low <= one.probability <= one.members.high


def test_empty_bins_are_left_out_and_few_pairs_have_wide_intervals() -> None:
    membership = np.array([[True, False, True, True]])
    found = reliability(np.array([[0.95, 0.05, 1.0, 0.9]]), membership, resamples=20)
    assert [(one.low, one.pairs) for one in found] == [(0.0, 1), (0.9, 3)]
    assert found[1].members.low < 0.4 and found[1].members.high == 1
    assert set(found[1].to_json()) == {"low", "high", "probability", "members", "pairs"}


@pytest.mark.parametrize("function", [brier, reliability])
def test_what_is_no_probability_is_refused(function) -> None:
    membership = np.array([[True, False]])
    with pytest.raises(ValueError, match="between 0 and 1, got -1 to 2"):
        function(np.array([[-1.0, 2.0]]), membership)
    with pytest.raises(ValueError, match="must have one shape"):
        function(np.array([[0.5]]), membership)
