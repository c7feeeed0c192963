"""Estimators of scikit-learn as a fleet: the numbers, on however many threads, after any stop."""

from pathlib import Path
from typing import Any, ClassVar

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from pptp_jax.data import Balanced
from pptp_jax.fleets import EstimatorFleet, estimator_fleet

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = RNG.integers(0, 3, 60)
MEMBERS = Balanced(models=4).draw(60, seed=1).matrix
FOREST = RandomForestClassifier(n_estimators=5)


class Counting(ClassifierMixin, BaseEstimator):
    """Answers with the shares of classes among its members, and counts its fits."""

    fits: ClassVar[list[list[int]]] = []
    fail_at: int | None = None
    threads: ClassVar[list[int]] = []

    def fit(self, x: Any, y: Any) -> "Counting":
        if self.fail_at is not None and len(self.fits) == self.fail_at:
            raise RuntimeError("out of luck")
        self.fits.append(y.tolist())
        self.threads.extend(one["num_threads"] for one in threadpool_info())
        self.classes_, counts = np.unique(y, return_counts=True)
        self.shares_ = counts / len(y)
        return self

    def predict_proba(self, x: Any) -> Any:
        return np.tile(self.shares_, (len(x), 1))


@pytest.fixture(autouse=True)
def counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "fits", [])
    monkeypatch.setattr(Counting, "threads", [])


def test_answers_are_those_of_a_plain_loop() -> None:
    found = estimator_fleet(make_pipeline(StandardScaler(), LogisticRegression()), X, Y, MEMBERS)
    for own, inside in zip(found.answers, MEMBERS, strict=True):
        plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[inside], Y[inside])
        np.testing.assert_allclose(own, plain.predict_proba(X), rtol=1e-10)
    np.testing.assert_allclose(found.log_probabilities, np.log(found.answers))


def test_numbers_are_predicted_by_a_plain_loop() -> None:
    y = X @ [1.0, 2, 3, 4] + RNG.normal(size=60)
    found = estimator_fleet(Ridge(), X, y, MEMBERS)
    for own, inside in zip(found.answers, MEMBERS, strict=True):
        np.testing.assert_allclose(own, Ridge().fit(X[inside], y[inside]).predict(X))
    with pytest.raises(ValueError, match="numbers, which have no probabilities"):
        _ = found.log_probabilities


@pytest.mark.parametrize("estimator", [FOREST, HistGradientBoostingClassifier(max_iter=5)])
def test_in_parallel_the_numbers_are_the_same(estimator: Any) -> None:
    one = estimator_fleet(estimator, X, Y, MEMBERS)
    other = estimator_fleet(estimator, X, Y, MEMBERS, jobs=3)
    np.testing.assert_array_equal(one.answers, other.answers)


@pytest.mark.slow
def test_in_processes_the_numbers_are_the_same() -> None:
    one = estimator_fleet(FOREST, X, Y, MEMBERS)
    with joblib.parallel_config(backend="loky"):
        other = estimator_fleet(FOREST, X, Y, MEMBERS, jobs=2)
    np.testing.assert_array_equal(one.answers, other.answers)


def test_the_seed_decides_and_each_model_has_its_own() -> None:
    same = np.tile(MEMBERS[:1], (2, 1))
    one, two, other = (estimator_fleet(FOREST, X, Y, same, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.answers, two.answers)
    assert (one.answers != other.answers).any() and (one.answers[0] != one.answers[1]).any()


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_model_keeps_to_one_thread(jobs: int) -> None:
    with threadpool_limits(limits=3):
        estimator_fleet(Counting(), X, Y, MEMBERS, jobs=jobs)
    assert len(Counting.fits) == 4 and set(Counting.threads) == {1}


def test_a_class_that_a_model_has_not_seen_has_the_least_probability() -> None:
    y = np.where(MEMBERS[0] & (Y == 2), 1, Y)
    found = estimator_fleet(FOREST, X, y, MEMBERS[:1])
    assert found.answers.shape == (1, 60, 3) and (found.answers[0, :, 2] == 0).all()
    np.testing.assert_allclose(np.exp(found.log_probabilities[0, :, 2]), 0.1)


@pytest.mark.parametrize(
    ("estimator", "floor"),
    [
        (FOREST, 1 / 10),
        (make_pipeline(StandardScaler(), ExtraTreesClassifier(20)), 1 / 40),
        (BaggingClassifier(n_estimators=4), 1 / 8),
        (KNeighborsClassifier(5), 1 / 10),
        (DecisionTreeClassifier(), 1 / 60),
        (LogisticRegression(), 2.0**-53),
    ],
)
def test_probabilities_are_bounded_by_half_of_the_smallest_step(
    estimator: Any, floor: float
) -> None:
    found = estimator_fleet(estimator, X, Y, MEMBERS)
    assert found.floor == pytest.approx(floor)
    positive = found.answers[found.answers > 0]
    assert np.isfinite(found.log_probabilities).all() and positive.min() > floor
    np.testing.assert_allclose(np.exp(found.log_probabilities[found.answers > 0]), positive)


def test_logits_keep_the_order_of_the_answers() -> None:
    fleet = EstimatorFleet(np.array([[[0.0, 1.0], [0.02, 0.98], [0.5, 0.5]]]), 0.01)
    phi = fleet.log_probabilities[0, :, 1] - fleet.log_probabilities[0, :, 0]
    assert (np.diff(phi) < 0).all()


def test_a_fleet_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = estimator_fleet(Counting(), X, Y, MEMBERS)
    Counting.fits.clear()
    monkeypatch.setattr(Counting, "fail_at", 2)
    with pytest.raises(ValueError, match="model 2 could not be trained: RuntimeError: out of luck"):
        estimator_fleet(Counting(), X, Y, MEMBERS, home=tmp_path)
    assert len([*tmp_path.glob("*.npz")]) == 2
    monkeypatch.setattr(Counting, "fail_at", None)
    said: list[str] = []
    found = estimator_fleet(Counting(), X, Y, MEMBERS, home=tmp_path, log=said.append)
    assert said == ["2 of 4 models were finished before"] and len(Counting.fits) == 4
    np.testing.assert_array_equal(found.answers, plain.answers)


def test_what_is_damaged_or_half_written_is_trained_again(tmp_path: Path) -> None:
    first = estimator_fleet(Counting(), X, Y, MEMBERS, home=tmp_path)
    files = sorted(tmp_path.glob("*.npz"))
    files[1].write_bytes(files[1].read_bytes()[:100])
    (tmp_path / ".3.npz.1.part").write_bytes(b"half")
    Counting.fits.clear()
    again = estimator_fleet(Counting(), X, Y, MEMBERS, home=tmp_path)
    assert Counting.fits == [Y[MEMBERS[1]].tolist()] and not [*tmp_path.glob(".*.part")]
    np.testing.assert_array_equal(first.answers, again.answers)


@pytest.mark.parametrize("what", ["estimator", "x", "seed", "members"])
def test_another_fleet_is_trained_again(tmp_path: Path, what: str) -> None:
    tree = DecisionTreeClassifier(max_depth=2)
    estimator_fleet(tree, X, Y, MEMBERS, home=tmp_path)
    said: list[str] = []
    changed = {
        "estimator": (DecisionTreeClassifier(max_depth=1), X, Y, MEMBERS),
        "x": (tree, X + 1e-9, Y, MEMBERS),
        "seed": (tree, X, Y, MEMBERS),
        "members": (tree, X, Y, ~MEMBERS),
    }[what]
    estimator_fleet(*changed, home=tmp_path, seed=int(what == "seed"), log=said.append)
    assert not said and len([*tmp_path.glob("*.npz")]) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LinearSVC(), X, Y, MEMBERS), "LinearSVC has no predict_proba, and attacks need"),
        ((LogisticRegression(), X, Y + 0.5, MEMBERS), "predicts no numbers"),
        (("forest", X, Y, MEMBERS), "an estimator has fit and get_params"),
        ((FOREST, X[1:], Y, MEMBERS), r"got \(59, 4\) and \(60,\)"),
        ((FOREST, X, Y, MEMBERS.T), "must be boolean of shape"),
        ((FOREST, X, Y - 1, MEMBERS), "classes as integers from 0"),
        ((FOREST, X, Y, MEMBERS & (Y == 1)), "model 0 has members of fewer than two classes"),
    ],
)
def test_what_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        estimator_fleet(*arguments)


def test_columns_by_name_are_refused_with_the_remedy() -> None:
    named = ColumnTransformer([("scaled", StandardScaler(), ["age"])])
    with pytest.raises(ValueError, match=r"dataframes\. \(Models get .* step, pipeline\[-1\]\)$"):
        estimator_fleet(make_pipeline(named, FOREST), X, Y, MEMBERS)


def test_what_cannot_be_kept_is_refused_before_training(tmp_path: Path) -> None:
    class Local(Counting):
        pass

    with pytest.raises(ValueError, match="Local cannot be pickled"):
        estimator_fleet(Local(), X, Y, MEMBERS, home=tmp_path)
    assert not Counting.fits
