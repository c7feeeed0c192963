"""Attacks together: against a naive twin, a known posterior, and models that leak nothing."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm, rankdata
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from pptp_jax.metrics import (
    Combination,
    at_prior,
    attack_metrics,
    auc,
    brier,
    combine,
    reliability,
    roc,
)


def balanced(models: int, examples: int, rng: np.random.Generator) -> np.ndarray:
    """Each example is a member of half of the models."""
    halves = np.tile(np.arange(models)[:, None] < models // 2, (1, examples))
    return rng.permuted(halves, axis=0)


def gaussian(
    gaps: tuple[float, ...], membership: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Attacks that are independent of each other, whose members' scores are higher by the gaps."""
    return {
        f"attack_{i}": rng.normal(size=membership.shape) + gap * (membership - 0.5)
        for i, gap in enumerate(gaps)
    }


def naive_curve(x: np.ndarray, y: np.ndarray):
    """Scikit-learn's isotonic regression; each pool gets a pair more, and stands at its mean."""
    fitted = IsotonicRegression().fit_transform(x, y)
    places, log_odds = [], []
    for level in np.unique(fitted):
        pool = fitted == level
        share = (y[pool].sum() + y.mean()) / (pool.sum() + 1)
        places.append(x[pool].mean())
        log_odds.append(max([logit(share), *log_odds[-1:]]))
    return lambda u: np.interp(u, places, log_odds)


def excess(intercept: float, told: np.ndarray, base: float) -> float:
    return expit(told + intercept).mean() - base


def naive_combine(scores, membership, parts: int = 5, seed: int = 0):
    """A loop over targets and parts; places by ranks, the regression by scikit-learn."""
    ranks = {k: np.array([2 * rankdata(row) - 1 for row in own]) for k, own in scores.items()}
    targets, examples = membership.shape
    part = np.random.default_rng(seed).permutation(examples) % parts
    found, weights = np.empty(membership.shape), []
    sizes = np.zeros(len(scores))
    for t in range(targets):
        others = [m for m in range(targets) if m != t]
        for i in range(parts):
            rest = part != i
            y = membership[others][:, rest].ravel().astype(float)
            curves = [naive_curve(own[others][:, rest].ravel(), y) for own in ranks.values()]
            known = np.column_stack(
                [
                    f(own[others][:, rest].ravel())
                    for f, own in zip(curves, ranks.values(), strict=True)
                ]
            )
            fitted = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(known, y)
            [w] = fitted.coef_
            c = brentq(excess, -50, 50, args=(known @ w, membership[others].mean()))
            own = np.column_stack(
                [f(r[t, ~rest]) for f, r in zip(curves, ranks.values(), strict=True)]
            )
            found[t, ~rest] = expit(own @ w + c)
            sizes += np.abs(w * (own - known.mean(axis=0))).sum(axis=0)
            weights.append(w)
    return found, np.mean(weights, axis=0), sizes / sizes.sum()


def test_a_naive_twin_says_the_same(rng: np.random.Generator) -> None:
    membership = rng.random((4, 120)) < 0.4
    scores = gaussian((2.0, 1.0, 0.0), membership, rng)
    scores["attack_2"] = scores["attack_0"].round() + scores["attack_2"].round()  # ties
    found = combine(scores, membership)
    probability, weights, shares = naive_combine(scores, membership)
    np.testing.assert_allclose(found.probability, probability, atol=1e-4)
    np.testing.assert_allclose(found.weights, weights, atol=1e-3)
    np.testing.assert_allclose(found.shares, shares, atol=1e-3)
    assert found.shares.sum() == pytest.approx(1)


def test_independent_gaussians_reach_the_known_auc_and_posterior(rng: np.random.Generator) -> None:
    gaps = 1.2, 0.8
    membership = balanced(12, 2000, rng)
    scores = gaussian(gaps, membership, rng)
    found = combine(scores, membership)
    log_odds = sum(gap * own for gap, own in zip(gaps, scores.values(), strict=True))
    # The log-likelihood ratio of both is Gaussian, with a gap of the root of the sum of squares.
    known = norm.cdf(np.hypot(*gaps) / np.sqrt(2))
    reached = attack_metrics(found.probability, membership, resamples=100)["auc"]
    assert reached.low < known < reached.high and reached.high - reached.low < 0.03
    # Next to the best there is on these very scores, and above either alone.
    assert reached.value > auc(roc(log_odds, membership)) - 0.002
    assert reached.value > auc(roc(scores["attack_0"], membership)) + 0.03
    assert np.sqrt(((found.probability - expit(log_odds)) ** 2).mean()) < 0.02
    np.testing.assert_allclose(found.weights, 1, atol=0.1)
    error = brier(found.probability, membership, resamples=50)
    assert error.miscalibration < 0.001
    for one in reliability(found.probability, membership, resamples=50):
        assert one.members.low <= one.probability <= one.members.high


def test_an_attack_that_says_nothing_has_no_share(rng: np.random.Generator) -> None:
    membership = balanced(8, 1000, rng)
    found = combine(gaussian((2.0, 0.0), membership, rng), membership)
    assert found.attacks == ("attack_0", "attack_1")
    assert found.shares[1] < 0.05


def test_the_same_attack_twice_is_as_good_as_once(rng: np.random.Generator) -> None:
    membership = balanced(6, 300, rng)
    own = gaussian((2.0,), membership, rng)["attack_0"]
    once, twice = (combine(dict.fromkeys(names, own), membership) for names in ("a", "ab"))
    np.testing.assert_allclose(twice.probability, once.probability, atol=0.01)
    np.testing.assert_allclose(twice.shares, [0.5, 0.5])
    np.testing.assert_allclose(twice.weights, np.repeat(once.weights / 2, 2), atol=0.01)


def test_only_the_order_within_a_model_counts(rng: np.random.Generator) -> None:
    membership = balanced(6, 200, rng)
    scores = gaussian((2.0, 1.0), membership, rng)
    scale, shift = np.exp(rng.normal(size=(6, 1))), 5 * rng.normal(size=(6, 1))
    other = {"attack_1": np.exp(scores["attack_1"]), "attack_0": scale * scores["attack_0"] + shift}
    other["attack_0"][0, scores["attack_0"][0].argmax()] = np.inf
    found, moved = combine(scores, membership), combine(other, membership)
    np.testing.assert_allclose(moved.probability, found.probability, atol=1e-9)
    np.testing.assert_allclose(moved.weights[::-1], found.weights, atol=1e-9)


def test_what_is_judged_is_not_looked_at(rng: np.random.Generator) -> None:
    membership = balanced(6, 200, rng)
    scores = gaussian((2.0, 1.0), membership, rng)
    found = combine(scores, membership).probability
    # Of a target: not one of its labels.
    other = membership.copy()
    other[2] = rng.random(200) < 0.5
    moved = combine(scores, other).probability
    np.testing.assert_array_equal(moved[2], found[2])
    assert (moved[3] != found[3]).any()
    # Of a record: not its labels in the other models, as long as the number of members stays.
    a, b = membership[:, 7].argmax(), membership[:, 7].argmin()
    other = membership.copy()
    other[[a, b], 7] = [False, True]
    moved = combine(scores, other).probability
    rest = [t for t in range(6) if t not in (a, b)]
    np.testing.assert_array_equal(moved[rest, 7], found[rest, 7])
    assert (moved[rest] != found[rest]).any()


def mean_auc(probability: np.ndarray, membership: np.ndarray) -> float:
    pairs = zip(probability, membership, strict=True)
    return float(np.mean([auc(roc(own, member)) for own, member in pairs]))


def of_ranks(known: np.ndarray, members: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Log-odds by a plain logistic regression on places."""
    fitted = LogisticRegression().fit(known.reshape(-1, known.shape[-1]), members.ravel())
    return fitted.decision_function(judged)


def test_where_nothing_leaks_nothing_is_found(rng: np.random.Generator) -> None:
    """Scores identify a record, which is a member of half of the models."""
    told, other_models, own_means, spread = [], [], [], []
    part = np.arange(300) % 5
    for _ in range(24):
        membership = balanced(8, 300, rng)
        habit, common = 2 * rng.normal(size=300), rng.normal(size=(8, 300)) / 2
        scores = {name: habit + common + rng.normal(size=(8, 300)) / 2 for name in "ab"}
        found = combine(scores, membership).probability
        told.append(mean_auc(found, membership))
        spread.append(found.std())
        np.testing.assert_allclose(found.mean(), 0.5, atol=0.01)
        places = np.stack([np.array([rankdata(r) for r in s]) for s in scores.values()], -1) / 300
        by_models, by_both = np.empty(membership.shape), np.empty(membership.shape)
        for t in range(8):
            rest = np.arange(8) != t
            by_models[t] = of_ranks(places[rest], membership[rest], places[t])
            for i in range(5):
                known = np.ix_(rest, part != i)
                by_both[t, part == i] = of_ranks(
                    places[known], membership[known], places[t, part == i]
                )
        other_models.append(mean_auc(by_models, membership))
        own_means.append(mean_auc(by_both, membership))
    error = np.std(told, ddof=1) / np.sqrt(len(told))
    assert error < 0.004 and abs(np.mean(told) - 0.5) < 4 * error
    assert np.mean(spread) < 0.03
    # What learns from the record in other models is wrong more often than not. What learns from
    # other records alone, with a mean of its own for each part, has seen the members of the target.
    assert np.mean(other_models) < 0.5 - 4 * error
    assert np.mean(own_means) > 0.5 + 4 * error


def test_few_members_have_a_low_probability(rng: np.random.Generator) -> None:
    membership = rng.random((6, 600)) < 0.1
    found = combine(gaussian((1.0, 1.0), membership, rng), membership)
    np.testing.assert_allclose(found.base_rate, 0.1, atol=0.02)
    assert found.probability.mean() == pytest.approx(membership.mean(), abs=0.02)
    assert brier(found.probability, membership, resamples=20).miscalibration < 0.005


def test_a_single_target_is_judged_by_its_shadows(rng: np.random.Generator) -> None:
    membership = balanced(6, 400, rng)
    scores = gaussian((2.0, 1.0), membership, rng)
    first, rest = ({k: v[part] for k, v in scores.items()} for part in (slice(1), slice(1, None)))
    known = {"shadow_scores": rest, "shadow_membership": membership[1:]}
    alone = combine(first, membership[:1], **known)
    np.testing.assert_array_equal(alone.probability[0], combine(scores, membership).probability[0])
    assert alone.base_rate.tolist() == [membership[1:].mean()]


def test_many_targets_are_dealt_into_groups(rng: np.random.Generator) -> None:
    membership = balanced(20, 100, rng)
    scores = gaussian((2.0,), membership, rng)
    found = combine(scores, membership)
    # 0 and 16 are of one group: neither learns from the other.
    other = membership.copy()
    other[16] = ~other[16]
    moved = combine(scores, other).probability
    np.testing.assert_array_equal(moved[[0, 16]], found.probability[[0, 16]])
    assert (moved[1] != found.probability[1]).any()


def test_of_too_many_pairs_some_are_learned_from(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    membership = balanced(6, 2000, rng)
    membership = membership[:, np.argsort(membership[0])]  # the data's order says something
    scores = gaussian((2.0,), membership, rng)
    every = combine(scores, membership).probability
    monkeypatch.setattr("pptp_jax.metrics.combination.PAIRS", 2000)
    few = combine(scores, membership).probability
    assert (few != every).any()
    np.testing.assert_allclose(few, every, atol=0.2)
    assert np.sqrt(((few - every) ** 2).mean()) < 0.05


def test_scores_without_any_difference(rng: np.random.Generator) -> None:
    membership = balanced(4, 50, rng)
    found = combine({"a": np.zeros((4, 50))}, membership)
    assert isinstance(found, Combination)
    base = np.repeat(found.base_rate[:, None], 50, axis=1)
    np.testing.assert_allclose(found.probability, base)
    assert found.shares.tolist() == [0]


def test_another_prior_is_what_bayes_says() -> None:
    likelihood_ratio, base, prior = 7.0, 0.4, 0.02
    odds = [likelihood_ratio * share / (1 - share) for share in (base, prior)]
    given, wanted = (np.array([o / (1 + o)]) for o in odds)
    np.testing.assert_allclose(at_prior(given, base, prior), wanted)
    np.testing.assert_allclose(at_prior(np.array([0.0, 1.0]), base, prior), [0, 1])
    np.testing.assert_allclose(at_prior(given, np.array([base]), base), given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": {}}, "at least one attack to combine"),
        ({"scores": {"a": np.ones((3, 4))}}, "must have one shape"),
        ({"scores": {"a": np.full((4, 4), np.nan)}}, "16 of them are NaN"),
        ({"parts": 1}, "parts must be an integer of at least 2"),
        ({"membership": np.ones((4, 4), bool)}, "needs members and non-members"),
        ({"membership": np.eye(4).astype(int)}, "must be boolean"),
        ({"membership": np.arange(4)[:, None] == np.zeros(4)}, "have only non-members"),
        ({"shadow_membership": np.eye(4) > 0}, "must come together"),
        (
            {"shadow_scores": {"b": np.eye(4)}, "shadow_membership": np.eye(4) > 0},
            r"must be of the same attacks as scores, \['a'\], got \['b'\]",
        ),
        (
            {"shadow_scores": {"a": np.eye(3)}, "shadow_membership": np.eye(3) > 0},
            "on the same 4 examples as the targets, got 3",
        ),
        (
            {"scores": {"a": np.ones((1, 4))}, "membership": np.eye(1, 4) > 0},
            "give two targets at least",
        ),
        ({"scores": {"a": np.ones((4, 1))}, "membership": np.eye(4, 1) > 0}, "give at least 2"),
    ],
)
def test_bad_input(change, message: str) -> None:
    given = {"scores": {"a": np.ones((4, 4))}, "membership": np.eye(4) > 0} | change
    with pytest.raises(ValueError, match=message):
        combine(given.pop("scores"), given.pop("membership"), **given)


@pytest.mark.parametrize(
    "share", [{"base_rate": 0.0, "prior": 0.5}, {"base_rate": 0.5, "prior": 1}]
)
def test_a_prior_of_everybody_or_nobody(share) -> None:
    with pytest.raises(ValueError, match="must lie above 0 and below 1"):
        at_prior(np.array([0.5]), **share)
