"""Matched comparison against a naive twin, planted truths, and what must not matter."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_compare import copies, kept, statistics
from scipy.stats import norm

from pptp_jax.evaluation import (
    Curve,
    MatchedComparison,
    Measure,
    Point,
    frontier,
    matched_utility,
    point,
)
from pptp_jax.metrics import (
    Bootstrap,
    Drawn,
    attack_metrics,
    auc,
    balanced_accuracy,
    masked_mean,
    roc,
    tpr_at_fpr,
)

STRENGTHS = np.array([0.3, 0.7, 1.1, 1.5])
ACCURACIES = np.array([0.5, 0.6, 0.67, 0.7])


def curve(
    name: str,
    seed: int,
    gaps: np.ndarray = STRENGTHS,
    accuracies: np.ndarray = ACCURACIES,
    *,
    resamples: int = 60,
    shape: tuple[int, int] = (6, 150),
) -> Curve:
    """Scores with a known gap; noise, membership and difficulty are those of the seed."""
    rng = np.random.default_rng(seed)
    noise, hardness = rng.normal(size=shape), rng.random(shape)
    membership = rng.random(shape) < 0.5
    resampling = Bootstrap(*shape, resamples)
    return Curve(
        name,
        tuple(
            point(noise + gap * membership, membership, hardness < accuracy, resampling=resampling)
            for gap, accuracy in zip(gaps, accuracies, strict=True)
        ),
    )


def small(seed: int, targets: list[int]) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    membership = rng.random((4, 12)) < 0.5
    scores = (rng.integers(0, 5, (4, 12)) + seed % 3 * membership).astype(float)
    return scores[targets], membership[targets], rng.random((4, 12))[targets] < 0.6


@pytest.mark.parametrize("targets", [[0, 1, 2, 3], [0, 2, 3], [3, 1]])
def test_a_point_is_what_copies_of_its_pairs_give(targets: list[int]) -> None:
    arrays = small(1, targets)
    resampling = Bootstrap(models=4, examples=12, resamples=30, seed=5)
    found = point(*arrays, targets=np.array(targets), resampling=resampling, fprs=(0.1,))
    drawn = [statistics(*arrays, targets, pairs) for pairs in copies(4, 12, 30, 5)]
    ours = [found.strength["auc"].drawn, found.strength["tpr@0.1"].drawn, found.utility.drawn]
    np.testing.assert_allclose(np.array(ours)[:2], np.array(drawn).T[:2], atol=1e-12)
    known = np.isfinite(np.array(drawn)[:, 2])
    np.testing.assert_allclose(ours[2][known], np.array(drawn)[known, 2], atol=1e-12)
    whole = statistics(*arrays, targets, (targets, list(range(12))))
    values = (found.strength["auc"].value, found.strength["tpr@0.1"].value, found.utility.value)
    np.testing.assert_allclose(values, whole, atol=1e-12)


def test_a_point_agrees_with_the_metrics() -> None:
    scores, membership, correct = small(2, [0, 1, 2, 3])
    found = point(
        scores, membership, correct, fprs=(0.1,), resampling=Bootstrap(4, 12, resamples=40)
    )
    rank, strength = roc(scores, membership), found.strength
    assert strength["auc"].value == pytest.approx(auc(rank), abs=1e-12)
    assert strength["tpr@0.1"].value == pytest.approx(tpr_at_fpr(rank, 0.1), abs=1e-12)
    assert strength["balanced_accuracy"].value == pytest.approx(balanced_accuracy(rank), abs=1e-12)
    metrics = attack_metrics(scores, membership, fprs=(0.1,), fnrs=(), resamples=40)
    assert {name: s.estimate() for name, s in strength.items()} == metrics
    assert found.utility.estimate() == masked_mean(correct, ~membership, resamples=40)


def test_differences_are_those_of_the_naive_twin() -> None:
    a, b = curve("a", 0), curve("b", 1, STRENGTHS + 0.1, ACCURACIES - 0.04)
    at = [0.7, 0.76]
    found = matched_utility(a, b, at=at)

    def row(c: Curve, r: int) -> list[tuple[float, float]]:
        return [
            (p.strength["auc"].value, p.utility.value)
            if r < 0
            else (p.strength["auc"].drawn[r], p.utility.drawn[r])
            for p in c.points
        ]

    for place, difference in zip(at, found.differences, strict=True):
        drawn = [kept(row(a, r), place) - kept(row(b, r), place) for r in range(-1, 60)]
        assert difference.value == pytest.approx(drawn[0], abs=1e-12)
        assert difference[1:] == pytest.approx(np.quantile(drawn[1:], [0.025, 0.975]), abs=1e-12)
    fine = np.linspace(*found.common, 2001)
    area = np.mean([kept(row(a, -1), s) - kept(row(b, -1), s) for s in fine[1:-1]])
    assert found.mean.value == pytest.approx(area, abs=1e-4)


@pytest.mark.parametrize("gain", [0.05, 0.0, -0.05])
def test_intervals_cover_a_planted_difference(gain: float) -> None:
    verdicts, covered = [], 0
    studies = 34
    for seed in range(studies):
        found = matched_utility(
            curve("a", seed, accuracies=ACCURACIES + gain, resamples=40, shape=(6, 100)),
            curve("b", 1000 + seed, resamples=40, shape=(6, 100)),
        )
        covered += found.mean.low <= gain <= found.mean.high
        verdicts.append(found.verdict)
    assert covered >= 0.82 * studies
    wrong = "less accuracy" if gain > 0 else "more accuracy"
    assert sum(wrong in verdict for verdict in verdicts) <= 0.1 * studies


def test_paired_curves_tell_a_planted_difference_both_ways() -> None:
    better, worse = curve("new", 3, accuracies=ACCURACIES + 0.05), curve("old", 3)
    more, less = matched_utility(better, worse), matched_utility(worse, better)
    assert more.verdict.startswith("At equal attack AUC (.") and "new keeps" in more.verdict
    assert "more accuracy than old" in more.verdict
    assert "old keeps" in less.verdict and "less accuracy than new" in less.verdict
    assert more.mean.low < 0.05 < more.mean.high
    # The known AUC of a gap, in the sample's range.
    assert more.common == pytest.approx(norm.cdf(STRENGTHS[[0, -1]] / np.sqrt(2)), abs=0.04)


def numbers(found: MatchedComparison) -> np.ndarray:
    return np.array([*found.differences, found.mean, found.best])


def test_identical_curves_differ_by_nothing() -> None:
    found = matched_utility(curve("a", 0), curve("b", 0))
    np.testing.assert_array_equal(numbers(found), 0)
    assert found.overlapping == found.resamples == 60
    assert found.verdict.endswith("a and b do not differ significantly: 0.0 points [0.0, 0.0].")


def test_swapping_the_curves_negates_all() -> None:
    a, b = curve("a", 0), curve("b", 1)
    forth, back = matched_utility(a, b), matched_utility(b, a)
    np.testing.assert_allclose(numbers(forth), -numbers(back)[:, [0, 2, 1]], atol=1e-12)


BITS = Measure("bits per token", higher_is_better=False)


def mirrored(of: Curve) -> Curve:
    """The same curve with a utility that is to be low."""
    points = [replace(p, utility=Drawn(-p.utility.value, -p.utility.drawn)) for p in of.points]
    return Curve(of.name, tuple(points), BITS)


def test_a_utility_that_is_to_be_low_is_compared_as_its_negative() -> None:
    a, b = curve("a", 0), curve("b", 1)
    found, plain = matched_utility(mirrored(a), mirrored(b)), matched_utility(a, b)
    np.testing.assert_allclose(numbers(found), numbers(plain), atol=1e-12)
    assert found.ranges == plain.ranges and found.to_json()["gain"] == "bits per token, fewer"


def test_the_verdict_has_the_words_of_the_utility() -> None:
    better, worse = curve("new", 3, accuracies=ACCURACIES + 0.05), curve("old", 3)
    more, less = (
        matched_utility(*map(mirrored, pair)).verdict for pair in ((better, worse), (worse, better))
    )
    assert "new has 0.0" in more and "fewer bits per token than old" in more
    assert "old has 0.0" in less and "more bits per token than new" in less
    assert "accuracy" not in more + less and "points" not in more + less
    with pytest.raises(ValueError, match="one measure of utility; new has accuracy, old has bits"):
        matched_utility(better, mirrored(worse))


def test_neither_order_nor_dominated_points_matter() -> None:
    a, b = curve("a", 0), curve("b", 1)
    plain = matched_utility(a, b)
    [bad] = curve("bad", 0, np.array([1.2]), np.array([0.1])).points
    changed = Curve("a", (a.points[2], bad, a.points[0], a.points[3], a.points[1]))
    assert matched_utility(changed, b) == plain


def test_curves_that_do_not_overlap_are_not_compared() -> None:
    low, high = slice(0, 2), slice(2, 4)
    weak = curve("a", 0, STRENGTHS[low], ACCURACIES[low])
    strong = curve("b", 0, STRENGTHS[high] + 1, ACCURACIES[high])
    found = matched_utility(weak, strong, attack="LiRA")
    assert found.common is None and found.mean.value is None
    assert "cannot be compared at equal LiRA AUC: their ranges do not overlap" in found.verdict
    assert "dominates" not in found.verdict
    poor = curve("b", 0, STRENGTHS[high] + 1, ACCURACIES[high] - 0.4)
    for pair in ((weak, poor), (poor, weak)):
        assert "; but a dominates b: at its best it keeps" in matched_utility(*pair).verdict


def test_a_mean_does_not_hide_that_curves_cross() -> None:
    a = curve("a", 0, accuracies=np.array([0.3, 0.45, 0.6, 0.9]))
    found = matched_utility(a, curve("b", 0))
    assert "but not everywhere" in found.verdict


def test_strengths_that_a_curve_does_not_reach_are_unresolved() -> None:
    found = matched_utility(curve("a", 0), curve("b", 1), at=[0.51, 0.7])
    assert found.differences[0] == (None, None, None) and found.differences[1].value is not None
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["verdict"] == found.verdict


def single(targets: np.ndarray | None = None, seed: int = 0, examples: int = 12) -> Point:
    resampling = Bootstrap(4, examples, resamples=9, seed=seed)
    return point(*small(1, [0, 1, 2, 3]), targets=targets, resampling=resampling)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Curve("a", ()), "a must have at least one point, got none"),
        (lambda: Curve("a", (single(), single(seed=1))), "the same resamples; a has"),
        (lambda: single(targets=np.array([0, 1, 1, 2])), "4 different numbers, one a row"),
        (lambda: single(targets=np.arange(1, 5)), "from 0 to models - 1 = 3, got"),
        (lambda: single(examples=11), "must be of the 12 examples, got one of 11"),
        (lambda: point(np.eye(2), np.eye(2) > 0, np.eye(3) > 0), "utility and scores must have"),
        (
            lambda: matched_utility(Curve("a", (single(),)), Curve("b", (single(seed=1),))),
            "a point of b has",
        ),
        (
            lambda: matched_utility(*[Curve("a", (single(),))] * 2, statistic="tpr@0.001"),
            "statistic 'tpr@0.001' is unknown",
        ),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


TENTHS = st.integers(0, 10).map(lambda tenth: tenth / 10)


@given(st.lists(st.tuples(TENTHS, TENTHS), min_size=1, max_size=8))
def test_the_frontier_is_the_best_of_all_mixtures(points: list[tuple[float, float]]) -> None:
    strengths, accuracies = np.array(points).T
    corners = frontier(strengths, accuracies)
    x, y = strengths[corners], accuracies[corners]
    assert (np.diff(x) > 0).all() and (np.diff(y) > 0).all()
    for at in np.linspace(x[0], x[-1], 7):
        assert np.interp(at, x, y) == pytest.approx(kept(points, at))
