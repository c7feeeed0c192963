"""The exact interval of a rate."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import beta

from pptp_jax.validation import Refused, at_least, fraction


class Interval(NamedTuple):
    """A lower and an upper limit."""

    low: Float[np.ndarray, "*shape"]
    high: Float[np.ndarray, "*shape"]


def clopper_pearson(
    successes: Int[np.ndarray, "*shape"] | int, trials: int, *, confidence: float = 0.95
) -> Interval:
    """The Clopper-Pearson interval of a rate, exact at every sample size.

    Each limit alone holds with confidence (1 + `confidence`) / 2.

    Args:
        successes: the number of successes.
        trials: the number of trials.
        confidence: the probability that both limits hold, whatever the rate, at least.

    Raises:
        ValueError: if there is no trial, a count lies outside of 0 to `trials`, or the confidence
            not between 0 and 1.

    References:
        Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of
        the Binomial", Biometrika 26, 1934.

    Examples:
        >>> low, high = clopper_pearson(0, 100)
        >>> print(f"{low:.3f} {high:.3f}")
        0.000 0.036
    """
    at_least(1, trials=trials)
    counts = np.asarray(successes)
    if (counts < 0).any() or (counts > trials).any():
        raise Refused(f"successes must lie between 0 and trials = {trials}, got {successes}")
    fraction(confidence=confidence)
    if not 0 < confidence < 1:
        raise Refused(f"confidence must lie between 0 and 1, both excluded, got {confidence}")
    tail = (1 - confidence) / 2
    # The inner maxima only keep the distribution's parameters legal where its value is not used.
    low = np.where(counts > 0, beta.ppf(tail, np.maximum(counts, 1), trials - counts + 1), 0.0)
    left = np.maximum(trials - counts, 1)
    high = np.where(counts < trials, beta.isf(tail, counts + 1, left), 1.0)
    return Interval(low, high)
