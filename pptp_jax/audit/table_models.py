"""What can be trained on a table: scikit-learn's estimators by a short name, or your own."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pptp_jax.validation import Refused
from pptp_jax.validation.near_names import near_names

MLP = "mlp"
_MODEL = (
    "an estimator or pipeline of scikit-learn, its class, or a function without arguments that "
    "makes one"
)


def _random_forest(classes: bool) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    return RandomForestClassifier() if classes else RandomForestRegressor()


def _boosted_trees(classes: bool) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    return HistGradientBoostingClassifier() if classes else HistGradientBoostingRegressor()


def _linear(classes: bool) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return LogisticRegression(max_iter=2000) if classes else Ridge()


NAMED: Mapping[str, Callable[[bool], Any]] = {
    "random_forest": _random_forest,
    "boosted_trees": _boosted_trees,
    "logistic": _linear,
}


def estimator_of(model: Any, *, classes: bool) -> Any:
    """The estimator that a name, or an estimator itself, stands for.

    Args:
        model: a name of `NAMED`, all with scikit-learn's settings (`logistic` is ridge regression
            where the target is a number); `module:name` of an estimator, of its class, or of a
            function without arguments that makes one; or an estimator.
        classes: whether it is to answer with classes; else with numbers.

    Raises:
        ValueError: if there is no such model.

    Examples:
        >>> type(estimator_of("random_forest", classes=True)).__name__
        'RandomForestClassifier'
        >>> type(estimator_of("sklearn.naive_bayes:GaussianNB", classes=True)).__name__
        'GaussianNB'
        >>> estimator_of("forest", classes=True)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: model 'forest' is unknown; did you mean 'random_forest'? ...
    """
    if not isinstance(model, str):
        return model
    module, colon, name = model.partition(":")
    if module.endswith(".py"):
        name = name or "model"
        raise Refused(
            f"model {model!r} is a file: say {Path(module).stem}:{name}, in the directory where "
            f"the file lies. It must define `{name}`: {_MODEL}"
        )
    if model in NAMED:
        return NAMED[model](classes)
    if not colon:
        near = near_names(model, [*NAMED, MLP])
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise Refused(
            f"model {model!r} is unknown{hint} Known: {', '.join([*NAMED, MLP])}, and MODULE:NAME, "
            f"where the module defines NAME: {_MODEL}"
        )
    try:
        found = getattr(importlib.import_module(module), name)
        return found() if callable(found) else found
    except Exception as error:  # whatever a user's module may raise
        raise Refused(
            f"model {model!r} cannot be made: {type(error).__name__}: {error}. It must be "
            f"MODULE:NAME, where the module defines NAME: {_MODEL}"
        ) from error
