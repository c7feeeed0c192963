"""The hull of tuned rivals, and margins above it, against a naive twin and planted truths."""

from dataclasses import replace

import numpy as np
import pytest
from naive_compare import kept

from pptp_jax.evaluation import Curve, Measure, Point, margins, matched_utility, tuned_rivals
from pptp_jax.metrics import Bootstrap, Drawn

RESAMPLING = Bootstrap(models=4, examples=10, resamples=200)
BITS = Measure("bits per token", higher_is_better=False)


def made(strength: np.ndarray, utility: np.ndarray) -> Point:
    """A point whose numbers are given: those of the sample, then those of each resample."""
    strengths, utilities = (Drawn(float(x[0]), x[1:]) for x in (strength, utility))
    return Point(utility=utilities, strength={"auc": strengths}, resampling=RESAMPLING)


def fleet(strength: float, utility: float, seed: int, spread: float = 0.01) -> Point:
    noise = spread * np.random.default_rng(seed).normal(size=(2, 201))
    noise[:, 0] = 0
    return made(strength + noise[0], utility + noise[1])


EARLY = Curve("early stopping", (fleet(0.55, 0.40, 0), fleet(0.65, 0.50, 1), fleet(0.9, 0.60, 2)))
DECAYED = Curve("decay", (fleet(0.60, 0.52, 3), fleet(0.75, 0.58, 4)))
RIVALS = tuned_rivals([EARLY, DECAYED])


def rows(curve: Curve) -> list[list[tuple[float, float]]]:
    return [list(zip(*row, strict=True)) for row in zip(*curve.drawn("auc"), strict=True)]


def on_the_hull(share: float, gain: float = 0.0) -> Point:
    """Between the corners of .60 and .75 in each resample, and so much above the hull there."""
    strengths, _ = DECAYED.drawn("auc")
    own = strengths @ [1 - share, share]
    there = [kept(row, at) for row, at in zip(rows(RIVALS), own, strict=True)]
    return made(own, np.array(there) + gain)


def test_the_hull_is_that_of_all_points() -> None:
    assert RIVALS.name == "tuned rivals"
    assert RIVALS.points == (*EARLY.points, *DECAYED.points)
    for alone in (EARLY, DECAYED):
        assert matched_utility(RIVALS, alone).mean.low >= 0  # in no resample below one of its own


@pytest.mark.parametrize("gain", [0.0, 0.02, -0.02])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_planted_margin_is_found_exactly(gain: float, share: float) -> None:
    """Point and hull move together, so the interval of a constant margin has no width."""
    method = Curve("freeze", (on_the_hull(share, gain),))
    np.testing.assert_allclose(margins(method, RIVALS), [(gain,) * 3], atol=1e-12)


def test_a_method_on_the_hull_gains_nothing_and_a_shifted_one_two_points() -> None:
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    same, better = (
        Curve("freeze", tuple(on_the_hull(share, gain) for share in shares)) for gain in (0.0, 0.02)
    )
    assert matched_utility(same, RIVALS).mean == pytest.approx((0, 0, 0), abs=2e-3)
    assert matched_utility(better, RIVALS).mean == pytest.approx((0.02,) * 3, abs=2e-3)
    # Against either rival alone it would look better than it is.
    for alone in (EARLY, DECAYED):
        assert matched_utility(same, alone).mean.value >= -1e-12
    assert matched_utility(same, EARLY).mean.low > 0.01


def test_margins_are_those_of_the_naive_twin() -> None:
    method = Curve("freeze", (fleet(0.62, 0.55, 7), fleet(0.7, 0.5, 8)))
    hulls = rows(RIVALS)
    for i, found in enumerate(margins(method, RIVALS)):
        known = [
            row[i][1] - kept(hull, row[i][0]) for row, hull in zip(rows(method), hulls, strict=True)
        ]
        assert found == pytest.approx(
            (known[0], *np.quantile(known[1:], [0.025, 0.975])), abs=1e-12
        )


def test_a_margin_is_the_comparison_of_a_single_point() -> None:
    method = Curve("freeze", (fleet(0.62, 0.55, 7),))
    assert margins(method, RIVALS) == [matched_utility(method, RIVALS).mean]


def mirrored(curve: Curve) -> Curve:
    points = [replace(p, utility=Drawn(-p.utility.value, -p.utility.drawn)) for p in curve.points]
    return Curve(curve.name, tuple(points), BITS)


def test_a_utility_that_is_to_be_low_gives_the_same_margins() -> None:
    method = Curve("freeze", (fleet(0.62, 0.55, 7),))
    [found] = margins(mirrored(method), tuned_rivals([mirrored(EARLY), mirrored(DECAYED)]))
    np.testing.assert_allclose(found, margins(method, RIVALS)[0], atol=1e-12)


def test_a_setting_that_leaks_less_than_any_rival_is_unresolved() -> None:
    method = Curve("freeze", (fleet(0.5, 0.3, 7), fleet(0.7, 0.5, 9)))
    assert [found.value is None for found in margins(method, RIVALS)] == [True, False]


def test_a_setting_that_leaks_more_than_the_best_rival_is_compared_with_that_rival() -> None:
    (_, keeps), (_, best) = (curve.drawn("auc") for curve in (EARLY, RIVALS))
    setting = made(np.full(201, 0.99), np.full(201, 0.61))
    [found] = margins(Curve("freeze", (setting,)), RIVALS)
    assert found.value == pytest.approx(0.61 - keeps[0].max())
    known = np.quantile(0.61 - best[1:].max(axis=1), [0.025, 0.975])
    assert found[1:] == pytest.approx(known, abs=1e-12)


def test_a_resample_in_which_a_rival_is_unknown_tells_nothing() -> None:
    def lost(share: float) -> Curve:
        strengths, utilities = (x[:, 0].copy() for x in EARLY.drawn("auc"))
        utilities[1 : 1 + round(200 * share)] = np.nan
        return tuned_rivals([Curve("lost", (made(strengths, utilities),)), RIVALS])

    method = Curve("freeze", (fleet(0.62, 0.55, 7),))
    assert margins(method, lost(0.04))[0].value is not None
    assert margins(method, lost(0.06))[0].value is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tuned_rivals([]), "tuned rivals must have at least one point, got none"),
        (
            lambda: tuned_rivals([EARLY, mirrored(DECAYED)]),
            "one measure of utility; early stopping has accuracy, decay has bits per token",
        ),
        (lambda: margins(mirrored(EARLY), RIVALS), "early stopping has bits per token, tuned"),
        (
            lambda: margins(
                Curve("a", (replace(EARLY.points[0], resampling=Bootstrap(4, 10, 9)),)), RIVALS
            ),
            "the same resamples; a has",
        ),
        (lambda: margins(EARLY, RIVALS, "tpr@0.001"), "statistic 'tpr@0.001' is unknown"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
