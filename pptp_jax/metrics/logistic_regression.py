"""Logistic regression with a ridge, by Newton's method in float64."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit

STEPS = 100


class Logistic(NamedTuple):
    """A linear predictor of log-odds."""

    intercept: float
    weights: Float[np.ndarray, " features"]

    def __call__(
        self, features: Float[np.ndarray, "pairs features"]
    ) -> Float[np.ndarray, " pairs"]:
        """The log-odds."""
        return self.intercept + features @ self.weights


def logistic_regression(
    features: Float[np.ndarray, "pairs features"],
    members: Bool[np.ndarray, " pairs"],
) -> Logistic:
    r"""Minimises \(\sum_i \log(1 + e^{\eta_i}) - y_i \eta_i + \frac{1}{2} \|w\|^2\).

    The ridge, a trifle beside thousands of pairs, decides where features say the same: they share
    the weight. The intercept has none.

    Args:
        features: one row a pair.
        members: y, whether each pair is a member.

    Examples:
        >>> found = logistic_regression(np.array([[0.0], [1.0]]), np.array([False, True]))
        >>> print(found.weights.round(3), round(found.intercept, 3))
        [0.445] -0.222
    """
    pairs = np.column_stack([np.ones(len(features)), features])
    truth = members.astype(float)
    penalty = np.append(0.0, np.ones(features.shape[1]))
    found = np.zeros(len(penalty))

    def loss(parameters: np.ndarray) -> float:
        eta = pairs @ parameters
        own = np.logaddexp(0, eta).sum() - truth @ eta
        return float(own + penalty @ parameters**2 / 2)

    now = loss(found)
    for _ in range(STEPS):
        p = expit(pairs @ found)
        slope = pairs.T @ (p - truth) + penalty * found
        bend = (pairs * (p * (1 - p))[:, None]).T @ pairs + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        while (then := loss(found - step)) > now + 1e-12 * abs(now):
            step = step / 2
        found, now = found - step, then
        if np.abs(step).max() < 1e-9:
            break
    return Logistic(float(found[0]), found[1:])
