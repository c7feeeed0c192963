"""Slices against what is left when everything else is thrown away, and the band of the ROC."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from pptp_jax.metrics import (
    attack_metrics,
    deciles,
    out_confidence,
    roc_band,
    sliced_metrics,
)


@pytest.fixture
def case(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    membership = rng.random((4, 300)) < 0.5
    return rng.normal(size=(4, 300)).round(1) + membership, membership


def test_a_slice_is_what_its_pairs_alone_give(case, rng: np.random.Generator) -> None:
    scores, membership = case
    slices = rng.integers(-1, 3, size=scores.shape)
    found = sliced_metrics(scores, membership, slices, fprs=[0.1], resamples=20)
    assert [own.slice for own in found] == [0, 1, 2]
    for own in found:
        chosen = slices == own.slice
        truth, said = membership[chosen], scores[chosen]
        assert (own.members, own.nonmembers) == (truth.sum(), (~truth).sum())
        assert own.metrics["auc"].value == pytest.approx(roc_auc_score(truth, said), abs=1e-12)
        alone = attack_metrics(said[None], truth[None], fprs=[0.1], resamples=1)
        for name, estimate in own.metrics.items():
            assert estimate.value == pytest.approx(alone[name].value, abs=1e-12), name
            assert estimate.low <= estimate.value <= estimate.high


def test_one_slice_of_everything_changes_nothing(case) -> None:
    [found] = sliced_metrics(*case, np.zeros((1, 300), int), fprs=[0.1, 0.01])
    known = attack_metrics(*case, fprs=[0.1, 0.01], fnrs=[], priors=[])
    assert found.metrics == known


def test_a_planted_class_is_the_one_that_leaks(rng: np.random.Generator) -> None:
    membership = rng.random((4, 900)) < 0.5
    classes = np.arange(900)[None] % 3
    scores = rng.normal(size=(4, 900)) + 1.5 * membership * (classes == 1)
    aucs = [own.metrics["auc"] for own in sliced_metrics(scores, membership, classes)]
    assert aucs[1].low > 0.8
    assert all(own.low < 0.5 < own.high for own in (aucs[0], aucs[2]))


def test_a_slice_without_members_is_unresolved() -> None:
    membership = np.array([[True, False, False]])
    lone, both = sliced_metrics(np.zeros((1, 3)), membership, np.array([[1, 1, 0]]))
    assert set(lone.metrics.values()) == {(None, None, None)} and lone.members == 0
    assert both.metrics["auc"].value == 0.5
    with pytest.raises(ValueError, match=r"shape \(1, 3\) or \(1, 3\) to fit .* got \(3,\)"):
        sliced_metrics(np.zeros((1, 3)), membership, np.zeros(3, int))


def test_out_confidence_is_the_mean_over_the_other_models_that_did_not_train(
    rng: np.random.Generator,
) -> None:
    confidence, membership = rng.normal(size=(6, 40)), rng.random((6, 40)) < 0.6
    found = out_confidence(confidence, membership, np.array([4, 1]))
    for row, target in enumerate([4, 1]):
        for example in range(40):
            others = [
                confidence[m, example]
                for m in range(6)
                if m != target and not membership[m, example]
            ]
            known = np.mean(others) if others else np.nan
            np.testing.assert_allclose(found[row, example], known, atol=1e-12)
    assert np.isnan(found).any()


def test_deciles_do_not_tell_members(rng: np.random.Generator) -> None:
    # Confidences are noise, so a target is no more confident of its members. If it had a say in the
    # mean, its non-members would seem the more confident within each slice.
    membership = np.array([rng.permutation(8) < 4 for _ in range(2000)]).T
    confidence = rng.normal(size=(8, 2000))
    slices = deciles(out_confidence(confidence, membership, np.arange(8)))
    # Targets that an example is a member of share its mean, so tenths differ by a few.
    assert np.abs(np.bincount(slices.ravel()) - 1600).max() < 8
    for own in sliced_metrics(confidence, membership, slices):
        assert abs(own.metrics["auc"].value - 0.5) < 4 * 0.29 / np.sqrt(800)


def test_the_band_holds_the_known_roc(rng: np.random.Generator) -> None:
    membership = rng.random((8, 1000)) < 0.5
    scores = rng.normal(size=(8, 1000)) + membership
    band = roc_band(scores, membership, points=30, resamples=200)
    assert band.fpr[0] == pytest.approx(1 / (~membership).sum()) and band.fpr[-1] == 1
    assert (np.diff(band.tpr) >= 0).all() and band.tpr[-1] == 1
    truth = norm.sf(norm.isf(band.fpr) - 1)
    inside = (band.low <= truth) & (truth <= band.high)
    # Each point is covered by itself, so one or two of 30 lie outside by rights.
    assert inside.sum() >= 27
    assert (band.low <= band.tpr).all() and (band.tpr <= band.high).all()
    assert set(band.to_json()) == {"fpr", "tpr", "low", "high"}
