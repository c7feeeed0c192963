"""Agreement against Python's sets, and cuts against counting."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score, roc_curve

from pptp_jax.metrics import (
    agreement,
    best_threshold,
    clopper_pearson,
    cut_at_fpr,
    found_members,
    roc,
    stability,
    tpr_at_fpr,
)


@pytest.fixture
def membership(rng: np.random.Generator) -> np.ndarray:
    return rng.random((5, 400)) < 0.5


def naive_found(scores: np.ndarray, membership: np.ndarray, fpr: float) -> set[tuple[int, int]]:
    """The largest set of members above some threshold at this rate."""
    best: set[tuple[int, int]] = set()
    for threshold in np.unique(scores):
        if ((scores >= threshold) & ~membership).sum() <= fpr * (~membership).sum():
            hits = zip(*np.nonzero((scores >= threshold) & membership), strict=True)
            best = max(best, set(hits), key=len)
    return best


def test_agreement_is_that_of_sets(membership: np.ndarray, rng: np.random.Generator) -> None:
    common = rng.normal(size=membership.shape)
    scores = {
        name: (common + rng.normal(size=membership.shape)).round(1) + membership for name in "abc"
    }
    found = agreement(scores, membership, fpr=0.05, resamples=50)
    sets = [naive_found(own, membership, 0.05) for own in scores.values()]
    assert found.attacks == ("a", "b", "c") and found.found.tolist() == [len(own) for own in sets]
    for i, j in combinations(range(3), 2):
        both, either = len(sets[i] & sets[j]), len(sets[i] | sets[j])
        assert found.jaccard[i, j] == found.jaccard[j, i] == pytest.approx(both / either)
        assert found.overlap[i, j] == pytest.approx(both / min(len(sets[i]), len(sets[j])))
        assert found.low[i, j] <= found.jaccard[i, j] <= found.high[i, j]
        assert found.chance[i, j] < found.low[i, j]
        flat = [found_members(scores[name], membership, 0.05)[membership] for name in scores]
        assert found.jaccard[i, j] == pytest.approx(jaccard_score(flat[i], flat[j]))
    np.testing.assert_array_equal(np.diagonal(found.jaccard), 1)
    np.testing.assert_array_equal(np.diagonal(found.overlap), 1)


def test_fleets_with_other_members_are_compared_on_common_ones(rng: np.random.Generator) -> None:
    hard = 2 * rng.normal(size=400)
    members = {name: rng.random((5, 400)) < 0.5 for name in "ab"}
    scores = {name: hard + rng.normal(size=(5, 400)) + own for name, own in members.items()}
    found = agreement(scores, members, fpr=0.1, resamples=50)
    hits = [naive_found(scores[name], members[name], 0.1) for name in "ab"]
    common = set(zip(*np.nonzero(members["a"] & members["b"]), strict=True))
    both, either = hits[0] & hits[1], (hits[0] | hits[1]) & common
    assert found.found.tolist() == [len(own) for own in hits]
    assert found.jaccard[0, 1] == pytest.approx(len(both) / len(either))
    smaller = min(len(own & common) for own in hits)
    assert found.overlap[0, 1] == pytest.approx(len(both) / smaller)
    assert found.chance[0, 1] < found.low[0, 1] <= found.jaccard[0, 1] <= found.high[0, 1]


def test_attacks_that_share_nothing_agree_by_chance(rng: np.random.Generator) -> None:
    membership = rng.random((8, 2000)) < 0.5
    scores = {name: rng.normal(size=membership.shape) + 2 * membership for name in "ab"}
    found = agreement(scores, membership, fpr=0.05)
    assert found.low[0, 1] < found.chance[0, 1] < found.high[0, 1]


def test_who_finds_nobody_agrees_with_nobody(membership: np.ndarray) -> None:
    nobody = np.where(membership, 0.0, 1.0)
    found = agreement({"none": nobody, "all": -nobody}, membership).to_json()
    assert found["found"] == [0, membership.sum()]
    assert found["jaccard"] == [[None, 0.0], [0.0, 1.0]]
    assert found["low"] == [[None, 0.0], [0.0, 1.0]] and found["high"][0][0] is None
    # None of all members: the interval has a width.
    assert found["high"][0][1] == clopper_pearson(0, int(membership.sum())).high
    assert found["overlap"][0] == [None, None]
    assert stability(nobody, membership).to_json()["jaccard"]["value"] is None


def test_stability_is_that_of_sets(membership: np.ndarray, rng: np.random.Generator) -> None:
    scores = rng.normal(size=(1, 400)) + rng.normal(size=membership.shape) + membership
    hits, known = found_members(scores, membership, 0.05), []
    for t, u in combinations(range(5), 2):
        common = membership[t] & membership[u]
        known.append((hits[t] & hits[u]).sum() / ((hits[t] | hits[u]) & common).sum())
    found = stability(scores, membership, fpr=0.05)
    assert found.jaccard.value == pytest.approx(np.mean(known))
    assert found.chance < found.jaccard.low < found.jaccard.value < found.jaccard.high


def test_finding_anybody_is_stable_by_chance_alone(rng: np.random.Generator) -> None:
    membership = rng.random((8, 3000)) < 0.5
    found = stability(rng.normal(size=(8, 3000)) + membership, membership, fpr=0.1)
    assert found.jaccard.value == pytest.approx(found.chance, abs=0.02)


pairs = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: len({member for _, member in pairs}) == 2
)


@given(pairs, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))
def test_cuts_are_what_counting_gives(pairs: list[tuple[int, bool]], fpr: float) -> None:
    scores, membership = (np.array(part) for part in zip(*pairs, strict=True))
    called = scores > cut_at_fpr(scores, membership, fpr)
    assert called[~membership].mean() <= fpr
    assert called[membership].mean() == tpr_at_fpr(roc(scores, membership), fpr)
    called = scores > best_threshold(scores, membership)
    rates = roc_curve(membership, scores, drop_intermediate=False)
    gain = called[membership].mean() - called[~membership].mean()
    assert gain == pytest.approx((rates[1] - rates[0]).max())


def test_bad_input(membership: np.ndarray) -> None:
    scores = np.zeros(membership.shape)
    with pytest.raises(ValueError, match="at least one attack, got none"):
        agreement({}, membership)
    with pytest.raises(ValueError, match=r"same names .* got \['a'\], \['b'\] and \[\(5, 400\)\]"):
        agreement({"a": scores}, {"b": membership})
    with pytest.raises(ValueError, match=r"one shape, .* and \[\(4, 400\), \(5, 400\)\]"):
        agreement({"a": scores[1:]}, membership)
    with pytest.raises(ValueError, match=r"fpr must be at least 1 / \d+, the number of non-mem"):
        found_members(scores, membership, 1e-4)
    with pytest.raises(ValueError, match=r"fpr must lie between 0 and 1, got 5"):
        cut_at_fpr(scores, membership, 5)
