"""Attacks joined by a classifier, and what is lost without one of them."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from pptp_jax.data.boosted_trees import boosted_trees, on_one_thread
from pptp_jax.evaluation.left_out import left_out
from pptp_jax.metrics import attack_metrics, auc, brier, combine, roc
from pptp_jax.validation import Refused


def balanced(models: int, examples: int, rng: np.random.Generator) -> np.ndarray:
    """Each example is a member of half of the models."""
    halves = np.tile(np.arange(models)[:, None] < models // 2, (1, examples))
    return rng.permuted(halves, axis=0)


def gaussian(gaps, membership: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        name: rng.normal(size=membership.shape) + gap * (membership - 0.5)
        for name, gap in zip("abcdef", gaps, strict=False)
    }


def boosted(scores, membership, **options):
    with on_one_thread():
        return combine(scores, membership, classifier=boosted_trees, **options)


def naive_boosted(scores, membership, parts: int, seed: int = 0) -> np.ndarray:
    """A loop over targets, parts and halves; the calibration by scikit-learn."""
    places = np.array([[2 * rankdata(row) - 1 for row in own] for own in scores.values()])
    targets, examples = membership.shape
    order = np.random.default_rng(seed).permutation(examples)
    found = np.empty(membership.shape)
    for t in range(targets):
        others = np.arange(targets) != t
        for i in range(parts):
            here = np.flatnonzero(order % parts == i)
            rest = np.array([j for j in np.argsort(order) if order[j] % parts != i])
            told, known = np.zeros(len(here)), np.zeros((targets - 1) * len(rest))
            for first, second in ((rest[::2], rest[1::2]), (rest[1::2], rest[::2])):

                def pairs(rows, columns):
                    return places[:, rows][:, :, columns].reshape(len(places), -1).T

                def truth(columns, others=others):
                    return membership[others][:, columns].ravel()

                trees = boosted_trees((targets - 1) * len(first))
                trees.fit(pairs(others, first), truth(first))

                def raw(rows, columns, trees=trees):
                    return logit(trees.predict_proba(pairs(rows, columns))[:, 1:])

                curve = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000)
                curve.fit(raw(others, second), truth(second))
                told += curve.decision_function(raw([t], here)) / 2
                known += curve.decision_function(raw(others, rest)) / 2
            base = membership[others].mean()
            c = brentq(lambda c, k=known, b=base: expit(k + c).mean() - b, -50, 50)
            found[t, here] = expit(told + c)
    return found


def test_a_naive_twin_joins_by_trees_alike(rng: np.random.Generator) -> None:
    membership = rng.random((3, 90)) < 0.4
    scores = gaussian((2.0, 1.0), membership, rng)
    found = boosted(scores, membership, parts=2)
    with on_one_thread():
        twin = naive_boosted(scores, membership, parts=2)
    np.testing.assert_allclose(found.probability, twin, atol=1e-4)
    assert np.isnan(found.weights).all() and np.isnan(found.shares).all()


def test_trees_see_what_does_not_rise_with_a_score(rng: np.random.Generator) -> None:
    """Members lie on either side, non-members between: the sum of rising curves sees nothing."""
    membership = balanced(6, 600, rng)
    sides = rng.choice([-1.5, 1.5], size=membership.shape) * membership
    scores = {"a": rng.normal(size=membership.shape) + sides, "b": rng.normal(size=sides.shape)}
    by_trees, by_sum = boosted(scores, membership), combine(scores, membership)
    assert auc(roc(by_sum.probability, membership)) < 0.56
    assert auc(roc(by_trees.probability, membership)) > 0.7
    assert brier(by_trees.probability, membership, resamples=20).miscalibration < 0.005


def test_trees_lose_little_where_a_sum_is_all(rng: np.random.Generator) -> None:
    membership = balanced(8, 800, rng)
    scores = gaussian((1.2, 0.8), membership, rng)
    found = [f(scores, membership).probability for f in (combine, boosted)]
    by_sum, by_trees = (auc(roc(own, membership)) for own in found)
    assert by_sum - 0.02 < by_trees < by_sum + 0.005
    assert brier(found[1], membership, resamples=20).miscalibration < 0.003


def test_where_nothing_leaks_trees_find_nothing(rng: np.random.Generator) -> None:
    aucs = []
    for _ in range(8):
        membership = balanced(6, 200, rng)
        habit = 2 * rng.normal(size=200)  # by which a record is known again
        scores = {name: habit + rng.normal(size=(6, 200)) / 2 for name in "ab"}
        found = boosted(scores, membership, parts=2).probability
        aucs.append(np.mean([auc(roc(o, m)) for o, m in zip(found, membership, strict=True)]))
    error = np.std(aucs, ddof=1) / np.sqrt(len(aucs))
    assert error < 0.01 and abs(np.mean(aucs) - 0.5) < 4 * error


def test_what_is_lost_without_an_attack_is_the_difference_of_two_fits(rng) -> None:
    membership = balanced(4, 300, rng)
    scores = gaussian((1.0, 1.5, 0.0), membership, rng) | {"d": rng.normal(size=(4, 300))}
    scores["d"] = scores["b"]  # says the same
    found = left_out(scores, membership, resamples=50)
    every = combine(scores, membership).probability
    for name, lost in found.items():
        rest = combine({n: own for n, own in scores.items() if n != name}, membership).probability
        aucs = [roc_auc_score(membership.ravel(), own.ravel()) for own in (every, rest)]
        assert lost["auc"].value == pytest.approx(aucs[0] - aucs[1])
        assert lost["auc"].low <= lost["auc"].value <= lost["auc"].high
    assert found["a"]["auc"].low > 0.01
    # Nothing is lost of what another says as well, however large its share.
    assert abs(found["b"]["auc"].value) < 0.005 and abs(found["c"]["auc"].value) < 0.01
    assert combine(scores, membership).shares[1] > 0.2
    # Paired: far narrower than the interval of either.
    width = found["a"]["auc"].high - found["a"]["auc"].low
    alone = attack_metrics(every, membership, resamples=50)["auc"]
    assert width < alone.high - alone.low


def test_bad_input(rng: np.random.Generator) -> None:
    membership = balanced(4, 40, rng)
    with pytest.raises(Refused, match=r"attack .c. is unknown"):
        left_out({name: np.ones((4, 40)) for name in "ab"}, membership, attacks=["c"])
    with pytest.raises(Refused, match="one attack is left out of at least two, got 1"):
        left_out({"a": rng.normal(size=(4, 40))}, membership)
    few = np.zeros((4, 4), bool)
    few[:, 0] = True
    with pytest.raises(Refused, match="have only non-members: attack more models or more records"):
        boosted({"a": np.ones((4, 4))}, few, parts=2)
