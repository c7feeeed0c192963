"""Whether probabilities of membership are calibrated."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import isotonic_regression

from pptp_jax.metrics.estimate import Estimate
from pptp_jax.metrics.masked_mean import bootstrap_mean
from pptp_jax.metrics.resamples import Bootstrap
from pptp_jax.metrics.roc import checked_scores
from pptp_jax.validation import Refused, at_least


class Brier(NamedTuple):
    """The mean squared error of probabilities, and its decomposition.

    Attributes:
        score: the error; `miscalibration` − `discrimination` + `uncertainty`. Smaller is better.
        miscalibration: by how much the best monotone recalibration would lower it. That
            recalibration is fitted to the very outcomes, so this is a little above 0 even for true
            probabilities.
        discrimination: by how much the recalibrated probabilities beat the share of members.
        uncertainty: the error of the share of members itself, which knows no record.
    """

    score: Estimate
    miscalibration: float
    discrimination: float
    uncertainty: float

    def to_json(self) -> dict[str, Any]:
        """All four, by name."""
        return {**self._asdict(), "score": self.score._asdict()}


class ReliabilityBin(NamedTuple):
    """The pairs whose probability lies in an interval.

    Attributes:
        low: the lower end, which belongs to it.
        high: the upper end, which does not, but for 1.
        probability: the mean of the pairs.
        members: the share of the pairs that are members.
        pairs: how many there are.
    """

    low: float
    high: float
    probability: float
    members: Estimate
    pairs: int

    def to_json(self) -> dict[str, Any]:
        """All, by name."""
        return {**self._asdict(), "members": self.members._asdict()}


def brier(
    probability: Float[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    *,
    resamples: int = 500,
    seed: int = 0,
) -> Brier:
    """The Brier score of probabilities of membership, with a 95 % interval, and its parts.

    Args:
        probability: that each example is a member of each target.
        membership: who is one.
        resamples: the number of bootstrap resamples of targets and examples.
        seed: what the bootstrap depends on.

    Raises:
        Refused: if a probability is none, or as `roc` does.

    References:
        Brier, "Verification of forecasts expressed in terms of probability", 1950; Dimitriadis,
        Gneiting and Jordan, "Stable reliability diagrams for probabilistic classifiers", 2021,
        https://arxiv.org/abs/2008.03033 (the parts, which depend on no bins).

    Examples:
        >>> membership = np.array([[True, True, False, False]])
        >>> found = brier(np.array([[0.5, 1.0, 0.5, 0.0]]), membership)
        >>> found.score.value, found.miscalibration, found.discrimination, found.uncertainty
        (0.125, 0.0, 0.125, 0.25)
    """
    probability = _checked(probability, membership)
    targets, examples = probability.shape
    error = (probability - membership) ** 2
    resampling = Bootstrap(targets, examples, resamples, seed)
    drawn = bootstrap_mean(error, np.ones_like(membership), resampling, np.arange(targets))
    _, at, counts = np.unique(probability, return_inverse=True, return_counts=True)
    hits = np.bincount(at.ravel(), weights=membership.ravel())
    best = isotonic_regression(hits / counts, weights=counts).x
    recalibrated = float(((best[at].reshape(membership.shape) - membership) ** 2).mean())
    share = float(membership.mean())
    uncertainty = share * (1 - share)
    return Brier(
        score=drawn.estimate(),
        miscalibration=drawn.value - recalibrated,
        discrimination=uncertainty - recalibrated,
        uncertainty=uncertainty,
    )


def reliability(
    probability: Float[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    *,
    bins: int = 10,
    resamples: int = 500,
    seed: int = 0,
) -> list[ReliabilityBin]:
    """The reliability diagram: the share of members in intervals of probability of equal width.

    Args:
        probability: that each example is a member of each target.
        membership: who is one.
        bins: how many intervals [0, 1] is cut into.
        resamples: the number of bootstrap resamples of targets and examples.
        seed: what the bootstrap depends on.

    Returns:
        The intervals that hold any pairs, by rising probability.

    Raises:
        Refused: if a probability is none, or as `roc` does.

    Examples:
        >>> membership = np.array([[True, True, False, False]])
        >>> for found in reliability(np.array([[0.45, 1.0, 0.41, 0.41]]), membership):
        ...     print(round(found.low, 1), round(found.members.value, 2), found.pairs)
        0.4 0.33 3
        0.9 1.0 1
    """
    at_least(1, bins=bins)
    probability = _checked(probability, membership)
    targets, examples = probability.shape
    resampling, numbers = Bootstrap(targets, examples, resamples, seed), np.arange(targets)
    # A tenth times ten may come out a rounding below one.
    at = np.minimum((probability * bins + 1e-9).astype(int), bins - 1)
    found = []
    for i in np.unique(at).tolist():
        here = at == i
        pairs = int(here.sum())
        drawn = bootstrap_mean(membership, here, resampling, numbers)._replace(trials=pairs)
        mean = float(probability[here].mean())
        found.append(ReliabilityBin(i / bins, (i + 1) / bins, mean, drawn.estimate(), pairs))
    return found


def _checked(
    probability: Float[np.ndarray, "targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
) -> Float[np.ndarray, "targets examples"]:
    found = checked_scores(probability, membership)
    if (found < 0).any() or (found > 1).any():
        raise Refused(
            f"probabilities must lie between 0 and 1, got {found.min():g} to {found.max():g}"
        )
    return found
