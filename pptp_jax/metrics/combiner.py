"""Combine several attacks' log-odds into one: by a weighted sum, or by a classifier."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import brentq
from scipy.special import expit, logit

from pptp_jax.metrics.logistic_regression import Logistic, logistic_regression
from pptp_jax.metrics.monotone_log_odds import LogOddsCurve, monotone_log_odds
from pptp_jax.validation import Refused

Places = Int[np.ndarray, "attacks models examples"]
# Makes an unfitted classifier for a number of pairs, with scikit-learn's `fit` and `predict_proba`.
Classifier = Callable[[int], Any]
# What a classifier is surer of than this, it is not sure of from data.
SUREST = 1e-12


class Summed(NamedTuple):
    """Log-odds by each attack alone, and their weighted sum.

    Attributes:
        curves: the log-odds of each attack.
        logistic: the weights.
        background: the mean of each attack's log-odds over what was learned from.
    """

    curves: tuple[LogOddsCurve, ...]
    logistic: Logistic
    background: Float[np.ndarray, " attacks"]

    def log_odds(
        self, places: Places
    ) -> tuple[Float[np.ndarray, "models examples"], Float[np.ndarray, " attacks"]]:
        """The log-odds of all together, and the sum of the sizes of each attack's part in them."""
        own = _features(self.curves, places)
        parts = np.abs((own - self.background) * self.logistic.weights).sum(axis=0)
        return self.logistic(own).reshape(places.shape[1:]), parts

    @property
    def weights(self) -> Float[np.ndarray, " attacks"]:
        """The weight of each attack's log-odds."""
        return self.logistic.weights


class Classified(NamedTuple):
    """A classifier of each half of the records, calibrated on the other half.

    Attributes:
        halves: the classifiers, each with the log-odds that are made of its own.
        intercept: what their mean is moved by.
        attacks: how many there are.
    """

    halves: tuple[tuple[Any, Logistic], ...]
    intercept: float
    attacks: int

    def log_odds(
        self, places: Places
    ) -> tuple[Float[np.ndarray, "models examples"], Float[np.ndarray, " attacks"]]:
        """The log-odds of all together; which attack has which part in them is not known."""
        mean = np.mean([curve(_raw(made, places)) for made, curve in self.halves], axis=0)
        return (mean + self.intercept).reshape(places.shape[1:]), np.full(self.attacks, np.nan)

    @property
    def weights(self) -> Float[np.ndarray, " attacks"]:
        """A classifier has none."""
        return np.full(self.attacks, np.nan)


def fitted(
    places: Places,
    members: Bool[np.ndarray, "models examples"],
    base: float,
    classifier: Classifier | None = None,
) -> Summed | Classified:
    """A combiner whose mean probability, over what it learns from, is `base`.

    Args:
        places: where the scores stand within their models.
        members: who is a member.
        base: the mean probability.
        classifier: makes what learns in place of the sum. One learns from every other record, and a
            logistic regression on the others turns its log-odds into true ones; another learns the
            other way round. The two are averaged.

    Raises:
        Refused: if there are only members or only non-members, or of one half of the records.

    Examples:
        >>> places = np.array([[[1, 3, 5, 7]]])
        >>> one = fitted(places, np.array([[False, False, True, True]]), base=0.5)
        >>> print(one.log_odds(places)[0].round(1))
        [[-1.6 -0.8  0.8  1.6]]
    """
    parts = [slice(None)] if classifier is None else [slice(0, None, 2), slice(1, None, 2)]
    for part in parts:
        own = members[:, part]
        if own.all() or not own.any():
            raise Refused(
                "a combiner learns from members and non-members, and some target's other models "
                f"have only {'members' if own.any() else 'non-members'}: attack more models"
                + " or more records"
                * (classifier is not None)
            )
    if classifier is None:
        flat = places.reshape(len(places), -1)
        curves = tuple(monotone_log_odds(own, members.ravel()) for own in flat)
        features = _features(curves, places)
        logistic = logistic_regression(features, members.ravel())
        intercept = _intercept(features @ logistic.weights, base)
        return Summed(curves, logistic._replace(intercept=intercept), features.mean(axis=0))
    halves = []
    for learned, judged in (parts, parts[::-1]):
        pairs = places[:, :, learned].reshape(len(places), -1).T
        made = classifier(len(pairs)).fit(pairs, members[:, learned].ravel())
        raw = _raw(made, places[:, :, judged])
        halves.append((made, logistic_regression(raw, members[:, judged].ravel())))
    found = Classified(tuple(halves), 0.0, len(places))
    return found._replace(intercept=_intercept(found.log_odds(places)[0].ravel(), base))


def _features(
    curves: tuple[LogOddsCurve, ...], places: Places
) -> Float[np.ndarray, "pairs attacks"]:
    """The log-odds by each attack alone."""
    flat = places.reshape(len(places), -1)
    return np.column_stack([curve(own) for curve, own in zip(curves, flat, strict=True)])


def _raw(made: Any, places: Places) -> Float[np.ndarray, "pairs one"]:
    """The log-odds that a classifier gives."""
    probability = made.predict_proba(places.reshape(len(places), -1).T)[:, 1]
    return logit(np.clip(probability, SUREST, 1 - SUREST))[:, None]


def _intercept(log_odds: Float[np.ndarray, " pairs"], base: float) -> float:
    """The shift of log-odds that makes the mean probability `base`."""
    # Between these ends all probabilities are below or above the base rate.
    ends = logit(base) - log_odds.max(), logit(base) - log_odds.min()
    if ends[0] >= ends[1]:
        return float(ends[0])
    return float(brentq(lambda c: float(expit(log_odds + c).mean()) - base, *ends))
