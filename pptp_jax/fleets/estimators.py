"""Estimators of scikit-learn as the models of a fleet, trained side by side by joblib."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real, Shaped

from pptp_jax.storage.files import read_arrays, sweep, write_arrays
from pptp_jax.storage.lock import held
from pptp_jax.validation import Refused, at_least, given, positive

_NAMELESS = (
    " (Models get an array without column names, which `pptp table` has already encoded: of a "
    "pipeline that encodes columns by name, give the last step, pipeline[-1])"
)


class EstimatorFleet(NamedTuple):
    """The answers of a fleet's models for every example.

    Attributes:
        answers: of classifiers the probabilities of the classes, (models, examples, classes), as
            the estimators gave them; else the predicted numbers, (models, examples).
        floor: the least probability that counts; None without classes.

    Examples:
        >>> probability = np.array([[[1.0, 0.0], [0.25, 0.75]]])
        >>> print(EstimatorFleet(probability, 0.125).log_probabilities.round(2))
        [[[ 0.   -2.08]
          [-1.39 -0.29]]]
    """

    answers: Float[np.ndarray, "models examples ..."]
    floor: float | None

    @property
    def log_probabilities(self) -> Float[np.ndarray, "models examples classes"]:
        """Logarithms of probabilities, none of them below the floor, as audits take them.

        Raises:
            ValueError: if there are no classes.
        """
        if self.floor is None:
            raise Refused("these estimators predict numbers, which have no probabilities")
        return np.log(np.maximum(self.answers, self.floor))


class _Task(NamedTuple):
    """The task of a worker: one model."""

    estimator: Any
    x: Shaped[np.ndarray, "examples inputs"]
    y: Real[np.ndarray, " examples"]
    members: Bool[np.ndarray, " examples"]
    classes: int | None
    model: int
    seed: int
    path: Path | None


def estimator_fleet(
    estimator: Any,
    x: Shaped[np.ndarray, "examples inputs"],
    y: Real[np.ndarray, " examples"],
    membership: Bool[np.ndarray, "models examples"],
    *,
    home: Path | None = None,
    jobs: int = 1,
    seed: int = 0,
    log: Callable[[str], object] = lambda sentence: None,
) -> EstimatorFleet:
    """Fits a copy of an estimator to the members of each model, and queries it on every example.

    Each copy gets a `random_state` of its own, from the seed and the model's number, in every part
    that has one, and keeps to one thread (`n_jobs=1`, OpenMP and BLAS): answers do not depend on
    how many models are fitted at a time. What draws from NumPy's global generator is outside of
    this. Models are fitted by joblib in threads; `joblib.parallel_config(backend="loky")` around
    the call takes processes, which pays where an estimator is Python code.

    Trees answer 0 and 1, whose log-odds are infinite. `floor` bounds them: half a vote of a forest
    (1 / 2 trees), of neighbours, or of bagged copies, and half a member of a single tree (1 / 2
    members). Where each vote is 0 or 1 that keeps the order. Impure leaves and bagged regressions
    answer less than a vote, and such answers become one; attacks by LiRA find more that way where
    it was tried, as a far smaller floor makes outliers of rounding. For anything else it is half of
    what the numbers' type resolves next to 1.

    Args:
        estimator: an unfitted estimator or pipeline, with `fit`, and `predict_proba` for classes or
            `predict` for numbers. It is cloned.
        x: the inputs.
        y: classes from 0, as integers; or numbers, as floats.
        membership: who trains on what.
        home: a directory that keeps the answers of each model that is finished; the same call goes
            on from there. A model is known by its estimator's settings and the versions of joblib
            and scikit-learn, not by the code of an estimator that you change. None keeps nothing.
        jobs: how many models are fitted at a time; -1 takes every core.
        seed: what the models' `random_state` depends on.
        log: is given a sentence when models were finished before.

    Returns:
        The answers of all models on all examples.

    Raises:
        ValueError: if shapes disagree, the estimator cannot do this, a model has no members of two
            classes, or one of the estimators fails.

    Examples:
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> from pptp_jax.data import Balanced
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 3)), rng.integers(0, 2, 60)
        >>> forest = RandomForestClassifier(n_estimators=10)
        >>> drawn = Balanced(models=4).draw(60, seed=0)
        >>> found = estimator_fleet(forest, x, y, drawn.matrix)
        >>> found.answers.shape, found.floor, bool(np.isfinite(found.log_probabilities).all())
        ((4, 60, 2), 0.05, True)
    """
    at_least(0, seed=seed)
    positive(**given(jobs=None if jobs == -1 else jobs))
    classes = _check(estimator, x, y, membership)
    tasks = [
        _Task(_prepared(estimator, seed, model), x, y, members, classes, model, seed, None)
        for model, members in enumerate(membership)
    ]
    for task in tasks:
        _check_members(task)
    floor = None if classes is None else _floor(estimator, int(membership.sum(axis=1).min()))
    if home is None:
        return EstimatorFleet(np.stack([*_fitted(tasks, jobs)]), floor)
    with held(home):
        sweep(home)
        tasks = [task._replace(path=home / f"{_key(task)}.npz") for task in tasks]
        found = [_stored(task) for task in tasks]
        missing = [task for task, own in zip(tasks, found, strict=True) if own is None]
        if len(missing) < len(tasks):
            log(f"{len(tasks) - len(missing)} of {len(tasks)} models were finished before")
        for task, own in zip(missing, _fitted(missing, jobs), strict=True):
            found[task.model] = own
    return EstimatorFleet(np.stack([own for own in found if own is not None]), floor)


def _check(estimator: Any, x: np.ndarray, y: np.ndarray, membership: np.ndarray) -> int | None:
    """The number of classes; refuses data that cannot be trained on."""
    from sklearn.base import is_classifier

    name = type(estimator).__name__
    if not (hasattr(estimator, "fit") and hasattr(estimator, "get_params")):
        raise Refused(f"an estimator has fit and get_params, as those of scikit-learn; got {name}")
    if y.ndim != 1 or x.ndim < 2 or len(x) != len(y) or not len(y):
        raise Refused(
            f"x must have shape (examples, inputs) and y (examples,), got {x.shape} and {y.shape}"
        )
    if membership.dtype != bool or membership.ndim != 2 or membership.shape[1] != len(y):
        raise Refused(
            f"membership must be boolean of shape (models, {len(y)}), got {membership.dtype} of "
            f"shape {membership.shape}"
        )
    if y.dtype.kind == "f":
        if not hasattr(estimator, "predict") or is_classifier(estimator):
            raise Refused(f"{name} predicts no numbers: y holds floats; of classes, give integers")
        return None
    if y.dtype.kind not in "iu" or y.min() < 0:
        raise Refused("y must hold classes as integers from 0, or floats")
    if not hasattr(estimator, "predict_proba"):
        raise Refused(
            f"{name} has no predict_proba, and attacks need probabilities: wrap it in "
            "sklearn.calibration.CalibratedClassifierCV, or give y as floats for regression"
        )
    return int(y.max()) + 1


def _check_members(task: _Task) -> None:
    own = task.y[task.members]
    if len(own) < 2 or (task.classes is not None and len(np.unique(own)) < 2):
        raise Refused(f"model {task.model} has members of fewer than two classes, or fewer than 2")


def _prepared(estimator: Any, seed: int, model: int) -> Any:
    """An unfitted copy with a seed of its own, which leaves cores to other models."""
    from sklearn.base import clone

    own = clone(estimator)
    state = int(np.random.SeedSequence([seed, model]).generate_state(1)[0] >> 1)
    params = own.get_params()
    chosen = {name: state for name in params if name.split("__")[-1] == "random_state"}
    # None is one already, and some warn of a number.
    chosen |= {name: 1 for name in params if name.split("__")[-1] == "n_jobs" and params[name]}
    return own.set_params(**chosen)


def _key(task: _Task) -> str:
    """A hash of everything that a model depends on."""
    import joblib
    import sklearn

    try:
        settings = joblib.hash(task.estimator)
    except Exception as error:  # whatever pickling a user's estimator may raise
        raise Refused(
            f"{type(task.estimator).__name__} cannot be pickled, so its models cannot be kept on "
            f"disk: {error}"
        ) from error
    digest = hashlib.sha256(f"{settings}{sklearn.__version__}{joblib.__version__}".encode())
    for array in (task.x, task.y, task.members):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return f"{task.model}-{digest.hexdigest()[:16]}"


def _stored(task: _Task) -> Float[np.ndarray, "examples ..."] | None:
    """The stored answers of a finished model; None if there are none, or they are damaged."""
    assert task.path is not None
    try:
        return read_arrays(task.path)["answers"]
    except (Refused, KeyError):
        return None


def _fitted(tasks: list[_Task], jobs: int) -> Iterator[Float[np.ndarray, "examples ..."]]:
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    work = Parallel(n_jobs=jobs, prefer="threads", return_as="generator")
    with threadpool_limits(limits=1):  # those of BLAS count for all threads together
        yield from work(delayed(_fit)(task) for task in tasks)


def _fit(task: _Task) -> Float[np.ndarray, "examples ..."]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):  # those of OpenMP count for this thread alone
        try:
            fitted = task.estimator.fit(task.x[task.members], task.y[task.members])
            if task.classes is None:
                answers = np.asarray(fitted.predict(task.x), np.float64)
            else:
                own = np.asarray(fitted.predict_proba(task.x))
                answers = np.zeros((len(own), task.classes), np.float64)
                answers[:, fitted.classes_] = own
        except Exception as error:  # whatever an estimator of somebody else may raise
            raise Refused(
                f"model {task.model} could not be trained: {type(error).__name__}: {error}"
                + _NAMELESS * ("dataframe" in str(error))
            ) from error
    if task.classes is not None and not np.allclose(answers.sum(axis=1), 1, atol=1e-3):
        raise Refused(f"model {task.model}: predict_proba gave no probabilities that sum to 1")
    if answers.shape[:1] != task.y.shape or not np.isfinite(answers).all():
        raise Refused(f"model {task.model} gave answers that are not finite, or not one an example")
    if task.path is not None:
        write_arrays(task.path, {"answers": answers})
    return answers


def _floor(estimator: Any, members: int) -> float:
    """Half of the smallest step between two answers of an estimator, or of a pipeline's last."""
    from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if isinstance(last, BaggingClassifier | ExtraTreesClassifier | RandomForestClassifier):
        return 1 / (2 * last.n_estimators)
    if isinstance(last, KNeighborsClassifier):
        return 1 / (2 * last.n_neighbors)
    if isinstance(last, DecisionTreeClassifier):
        return 1 / (2 * members)
    return float(np.finfo(np.float64).eps) / 2
