"""Owners: scores and membership joined record by record in a loop, and AUCs that are known."""

import numpy as np
import pytest
from scipy.stats import norm

from pptp_jax.metrics import (
    attack_metrics,
    owner_membership,
    owner_metrics,
    owner_scores,
    partial_owners,
)
from pptp_jax.validation import Refused

NAMES = np.array(["zoe", "ann", "bob", "dan"])


@pytest.fixture
def owners(rng: np.random.Generator) -> np.ndarray:
    return np.append(NAMES, rng.choice(NAMES, size=20))


@pytest.mark.parametrize(
    ("join", "joined"), [("mean", np.mean), ("maximum", np.max), ("sum", np.sum)]
)
def test_an_owners_score_is_that_of_its_records_taken_one_by_one(join, joined, owners, rng) -> None:
    scores = rng.normal(size=(3, 24))
    twin = [[joined(row[owners == name]) for name in sorted(NAMES)] for row in scores]
    np.testing.assert_allclose(owner_scores(scores, owners, join=join), twin, rtol=1e-12)
    # Another order of the records changes nothing.
    order = rng.permutation(24)
    np.testing.assert_allclose(
        owner_scores(scores[:, order], owners[order], join=join), twin, rtol=1e-12
    )


def test_integers_are_joined_without_overflow() -> None:
    scores = np.array([[200, 100]], np.uint8)
    assert owner_scores(scores, np.array([1, 1]), join="sum").tolist() == [[300.0]]
    assert owner_scores(np.array([[True, False]]), np.array([1, 1])).tolist() == [[0.5]]


def test_membership_by_owner_is_that_of_all_records(owners) -> None:
    inside = np.array([["ann", "bob"], ["zoe", "dan"]])
    membership = np.stack([np.isin(owners, own) for own in inside])
    expected = [[True, True, False, False], [False, False, True, True]]
    np.testing.assert_array_equal(owner_membership(membership, owners), expected)
    assert partial_owners(membership, owners).tolist() == [0, 0]


def test_an_owner_half_in_half_out_is_refused_by_name() -> None:
    membership = np.array([[True, True, True, False], [True, True, False, True]])
    names = np.array(["ann", "ann", "bob", "bob"])
    assert partial_owners(membership, names).tolist() == [1, 1]
    words = r"model 0 trained on 1 of the 2 records of owner 'bob' \(2 of 4 pairs .*draw_by_owner"
    with pytest.raises(Refused, match=words):
        owner_membership(membership, names)
    with pytest.raises(Refused, match="half in, half out"):
        owner_metrics(np.zeros((2, 4)), membership, names)


def test_bad_owners_and_joins_are_refused() -> None:
    with pytest.raises(Refused, match=r"owners must have shape \(3,\), .* got \(2,\)"):
        owner_scores(np.zeros((1, 3)), np.array([0, 1]))
    with pytest.raises(Refused, match="join 'median' is unknown; did you mean 'mean'"):
        owner_scores(np.zeros((1, 3)), np.zeros(3, int), join="median")  # type: ignore[arg-type]


def test_owners_of_one_record_are_records(rng) -> None:
    membership = rng.random((4, 60)) < 0.5
    scores = rng.normal(size=(4, 60)) + membership
    for join in ("mean", "maximum", "sum"):
        found = owner_metrics(scores, membership, np.arange(60), join=join, resamples=20)
        assert found == attack_metrics(scores, membership, fnrs=(), priors=(), resamples=20)


def test_the_sum_of_log_ratios_has_the_auc_of_all_records_together() -> None:
    # The log ratio of N(d, 1) to N(0, 1) is d x - d²/2: of k records together its AUC is that of
    # one record at the distance d √k.
    rng, records, distance = np.random.default_rng(3), 5, 0.5
    truth = rng.random((6, 500)) < 0.5
    membership = np.repeat(truth, records, axis=1)
    x = rng.normal(size=membership.shape) + distance * membership
    ratios = distance * x - distance**2 / 2
    owners = np.repeat(np.arange(500), records)
    expected = norm.cdf(distance * np.sqrt(records / 2))
    found = {
        join: owner_metrics(ratios, membership, owners, join=join, resamples=100)["auc"]
        for join in ("mean", "maximum", "sum")
    }
    assert found["sum"].low < expected < found["sum"].high
    assert found["sum"].high - found["sum"].low < 0.06
    # With as many records each, the mean ranks as the sum; the maximum loses something.
    assert found["mean"].value == pytest.approx(found["sum"].value, abs=1e-12)
    assert found["maximum"].high < expected


def test_the_sum_weighs_owners_of_many_records_as_it_should() -> None:
    # By Neyman and Pearson no other join can do better where owners differ in size.
    rng = np.random.default_rng(4)
    owners = np.repeat(np.arange(400), np.where(np.arange(400) % 2, 1, 16))
    truth = rng.random((6, 400)) < 0.5
    membership = truth[:, owners]
    x = rng.normal(size=membership.shape) + 0.5 * membership
    ratios = 0.5 * x - 0.125
    auc = {
        join: owner_metrics(ratios, membership, owners, join=join, fprs=(), resamples=1)["auc"]
        for join in ("mean", "sum")
    }
    assert auc["sum"].value > auc["mean"].value + 0.01


@pytest.mark.parametrize("join", ["mean", "maximum", "sum"])
def test_where_nothing_leaks_nothing_is_found(join, rng) -> None:
    owners = rng.integers(0, 300, 900)
    names, where = np.unique(owners, return_inverse=True)
    membership = (rng.random((4, len(names))) < 0.5)[:, where]
    # Records of one owner are alike, which makes an interval by records too narrow.
    scores = rng.normal(size=(4, 900)) + rng.normal(size=len(names))[where]
    found = owner_metrics(scores, membership, owners, join=join, resamples=100)["auc"]
    assert found.low < 0.5 < found.high
