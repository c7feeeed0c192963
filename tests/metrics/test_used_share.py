"""The share that was used: debiased counts against a twin, coverage of a known share, refusals."""

import numpy as np
import pytest

from pptp_jax.metrics import used_share
from pptp_jax.validation import Refused


def drawn(rng, share, records, shadows=8, distance=1.0, between=0.0):
    """Scores of a model that used a share of the records, and of shadows that used half."""
    membership = rng.random((1 + shadows, records)) < 0.5
    membership[0] = False
    membership[0, rng.permutation(records)[: round(share * records)]] = True
    scores = rng.normal(size=membership.shape) + distance * membership
    scores += between * rng.normal(size=(1 + shadows, 1))
    return scores, membership


def test_at_a_given_threshold_it_is_the_mean_of_debiased_guesses(rng) -> None:
    scores, membership = drawn(rng, 0.3, 400)
    found = used_share(scores[0], scores[1:], membership[1:], threshold=0.7, resamples=20)
    hits = {True: [], False: []}
    for row, truth in zip(scores[1:], membership[1:], strict=True):
        for score, member in zip(row, truth, strict=True):
            hits[bool(member)].append(score > 0.7)
    tpr, fpr = np.mean(hits[True]), np.mean(hits[False])
    twin = np.mean([((score > 0.7) - fpr) / (tpr - fpr) for score in scores[0]])
    assert found.share.value == pytest.approx(twin, abs=1e-12)
    assert found.counted == np.mean(scores[0] > 0.7)
    assert (found.tpr.value, found.fpr.value) == pytest.approx((tpr, fpr), abs=1e-12)
    assert set(found.to_json()) == {"share", "counted", "tpr", "fpr", "records"}
    assert found.to_json()["share"]["low"] == found.share.low


def test_the_count_is_biased_and_the_share_is_not(rng) -> None:
    scores, membership = drawn(rng, 0.1, 4000, distance=1.5)
    found = used_share(scores[0], scores[1:], membership[1:], resamples=50)
    assert found.counted > 0.25
    assert found.share.value == pytest.approx(0.1, abs=0.05)


def test_guesses_without_errors_count_exactly(rng) -> None:
    scores, membership = drawn(rng, 0.37, 100, distance=30.0)
    found = used_share(scores[0], scores[1:], membership[1:], threshold=15.0, resamples=20)
    assert found.share == pytest.approx((0.37, 0.37, 0.37), abs=1e-9)


@pytest.mark.parametrize("between", [0.0, 0.2])
def test_a_known_share_is_covered_as_often_as_promised(between) -> None:
    rng, covered = np.random.default_rng(5), []
    for draw in range(160):
        scores, membership = drawn(rng, (0.1, 0.5, 0.8)[draw % 3], 100, between=between)
        found = used_share(scores[0], scores[1:], membership[1:], resamples=100, seed=draw).share
        covered.append(found.low <= membership[0].mean() <= found.high)
    # Of 160 intervals of 95 %, fewer than 143 cover once in a thousand times.
    assert sum(covered) >= 143


def test_an_interval_of_many_records_is_narrow(rng) -> None:
    widths = []
    for records in (400, 6400):
        scores, membership = drawn(rng, 0.4, records, distance=2.0)
        found = used_share(scores[0], scores[1:], membership[1:], resamples=200).share
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2 and widths[1] < 0.12


def test_where_nothing_leaks_no_share_is_given(rng) -> None:
    refused = 0
    for seed in range(40):
        scores, membership = drawn(rng, 0.5, 80, shadows=4, distance=0.0)
        try:
            used_share(scores[0], scores[1:], membership[1:], resamples=60, seed=seed)
        except Refused as error:
            assert "the count cannot be debiased" in str(error) and "TPR 0." in str(error)
            refused += 1
    assert refused >= 36


def test_bad_input_is_refused(rng) -> None:
    scores, membership = drawn(rng, 0.5, 20)
    with pytest.raises(Refused, match=r"scores must have shape \(20,\), .* got \(9,\)"):
        used_share(scores[0, :9], scores[1:], membership[1:])
    with pytest.raises(Refused, match="at least 2 shadows, got 1"):
        used_share(scores[0], scores[1:2], membership[1:2])
    with pytest.raises(Refused, match="must have one shape"):
        used_share(scores[0], scores[1:], membership[2:])
    with pytest.raises(Refused, match="must be finite numbers"):
        used_share(np.full(20, np.nan), scores[1:], membership[1:])
