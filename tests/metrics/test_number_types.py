"""Scores and membership of any number type: what float64 holds is ranked, all else refused."""

import ml_dtypes
import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from pptp_jax import metrics as m
from pptp_jax.validation import Refused

RNG = np.random.default_rng(0)
MEMBERSHIP = RNG.random((3, 80)) < 0.5
# Few values, so that there are ties; from the least that a signed byte holds to its largest.
LEVELS = RNG.integers(-2, 3, size=(3, 80)) + MEMBERSHIP
NUMBERS = {
    "bool": LEVELS > 0,
    "int8": np.int8(np.clip(LEVELS * 64, -128, 127)),
    "int64": LEVELS * 2**50,
    "uint8": np.uint8(LEVELS + 2),
    "uint64": np.uint64(LEVELS + 2),
    "float16": np.float16(LEVELS) / 3,
    "float32": np.float32(LEVELS) / 3,
    "bfloat16": LEVELS.astype(ml_dtypes.bfloat16),
    "longdouble": np.longdouble(LEVELS) / 3,
    "infinite": np.where(np.abs(LEVELS) > 1, np.copysign(np.inf, LEVELS), LEVELS),
}


@pytest.mark.parametrize("scores", NUMBERS.values(), ids=NUMBERS)
def test_metrics_rank_numbers_of_any_type(scores: np.ndarray) -> None:
    """As their ranks, counted by comparing all values as Python's own."""
    flat = [float(score) for score in scores.ravel()]
    ranks = np.array([sorted(set(flat)).index(score) for score in flat], float)
    ranks = ranks.reshape(scores.shape)
    member, other = ranks[MEMBERSHIP], ranks[~MEMBERSHIP]
    known = mannwhitneyu(member, other).statistic / (len(member) * len(other))
    assert m.auc(m.roc(scores, MEMBERSHIP)) == pytest.approx(known, abs=1e-12)
    found = m.attack_metrics(scores, MEMBERSHIP, resamples=20)
    assert found == m.attack_metrics(ranks, MEMBERSHIP, resamples=20)
    assert m.tpr_at_fpr(m.roc(scores, MEMBERSHIP), 0) == (member > other.max()).mean()
    assert m.delong(scores[0], MEMBERSHIP[0]) == m.delong(ranks[0], MEMBERSHIP[0])
    np.testing.assert_array_equal(
        m.alarm_rates(scores, MEMBERSHIP), m.alarm_rates(ranks, MEMBERSHIP)
    )
    for own, cut in ((scores, m.best_threshold(scores, MEMBERSHIP)), (ranks, None)):
        cut = m.best_threshold(own, MEMBERSHIP) if cut is None else cut
        called = np.asarray(own, float) > cut
        assert called[MEMBERSHIP].mean() - called[~MEMBERSHIP].mean() == pytest.approx(
            m.advantage(m.roc(ranks, MEMBERSHIP)), abs=1e-12
        )
    first, second = (
        m.calibrated_metrics(own, MEMBERSHIP, fprs=(0.1,), resamples=20) for own in (scores, ranks)
    )
    assert first == second
    np.testing.assert_array_equal(
        m.found_members(scores, MEMBERSHIP, 0.2), m.found_members(ranks, MEMBERSHIP, 0.2)
    )


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (LEVELS.astype(object), "scores must be real numbers, got an array of object"),
        (LEVELS.astype(complex), "scores must be real numbers, got an array of complex128"),
        (LEVELS.astype(str), "scores must be real numbers, got an array of <U"),
        (LEVELS * 2**54, r"within ±2\^53"),
        (np.where(LEVELS > 0, np.nan, 0.0), "scores must be numbers"),
    ],
)
def test_what_float64_does_not_hold_is_refused(scores: np.ndarray, message: str) -> None:
    for metric in (m.roc, m.best_threshold, m.attack_metrics, m.alarm_rates):
        with pytest.raises(Refused, match=message):
            metric(scores, MEMBERSHIP)


def test_membership_that_is_not_boolean_is_refused() -> None:
    """Of 0 and 1 the complement would be −1 and −2."""
    for metric in (m.roc, m.best_threshold, m.attack_metrics, m.alarm_rates):
        with pytest.raises(Refused, match=r"membership must be boolean, got an array of int"):
            metric(LEVELS, MEMBERSHIP.astype(int))
