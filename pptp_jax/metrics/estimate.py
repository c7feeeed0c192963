"""A number with its interval, and the resamples that the interval comes from."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Estimate(NamedTuple):
    """A number with its 95 % interval; None where the sample cannot resolve it.

    Examples:
        >>> Estimate(0.7, 0.6, 0.8)._asdict()
        {'value': 0.7, 'low': 0.6, 'high': 0.8}
    """

    value: float | None
    low: float | None
    high: float | None


UNRESOLVED = Estimate(None, None, None)


class Drawn(NamedTuple):
    """A number and what it becomes in each resample; NaN in one that cannot tell.

    What is computed of several such numbers, resample by resample, has a paired interval as long as
    they stand on the same resamples.

    Examples:
        >>> Drawn(0.5, np.array([0.4, 0.5, 0.6, np.nan])).estimate()
        Estimate(value=0.5, low=0.405, high=0.595)
    """

    value: float
    drawn: Float[np.ndarray, " resamples"]

    def estimate(self) -> Estimate:
        """The value with the percentile interval of the resamples that can tell."""
        told = self.drawn[np.isfinite(self.drawn)]
        if not (np.isfinite(self.value) and told.size):
            return UNRESOLVED
        low, high = np.quantile(told, [0.025, 0.975])
        return Estimate(float(self.value), float(low), float(high))
