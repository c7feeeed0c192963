"""A statistic with its bootstrap resamples, the source of its interval."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pptp_jax.metrics.clopper_pearson import clopper_pearson
from pptp_jax.metrics.estimate import UNRESOLVED, Coarse, Estimate


class Drawn(NamedTuple):
    """A statistic and its value in each resample; NaN where a resample does not define it.

    What is computed of several such numbers, resample by resample, has a paired interval as long as
    they stand on the same resamples.

    Attributes:
        value: the number.
        drawn: what it becomes.
        trials: of a rate, how many pairs it is a share of.
        coarse: whether fewer than ten pairs may pass its threshold by rights.

    Examples:
        >>> Drawn(0.5, np.array([0.4, 0.5, 0.6, np.nan])).estimate()
        Estimate(value=0.5, low=0.405, high=0.595)
        >>> (Drawn(0.75, np.array([0.5, 1.0])) - Drawn(0.5, np.array([0.25, 0.75]))).drawn
        array([0.25, 0.25])
    """

    value: float
    drawn: Float[np.ndarray, " resamples"]
    trials: int | None = None
    coarse: bool = False

    def __sub__(self, other: "Drawn") -> "Drawn":
        """The difference on the same resamples; no rate any more, and as coarse as the first."""
        return Drawn(self.value - other.value, self.drawn - other.drawn, coarse=self.coarse)

    def estimate(self) -> Estimate:
        """The value with the percentile interval of the resamples that are not NaN.

        A rate's interval is at least as wide as Clopper's and Pearson's: resamples of a sample in
        which nothing was found find nothing either.
        """
        resolved = self.drawn[np.isfinite(self.drawn)]
        if not (np.isfinite(self.value) and resolved.size):
            return UNRESOLVED
        low, high = np.quantile(resolved, [0.025, 0.975]).tolist()
        if self.trials is not None:
            exact = clopper_pearson(round(self.value * self.trials), self.trials)
            low, high = min(low, float(exact.low)), max(high, float(exact.high))
        return (Coarse if self.coarse else Estimate)(float(self.value), low, high)
