"""A number with its interval."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float


class Estimate(NamedTuple):
    """A number with its 95 % interval; None where the sample cannot resolve it.

    A format is that of its three numbers.

    Examples:
        >>> Estimate(0.7, 0.6, 0.8)._asdict()
        {'value': 0.7, 'low': 0.6, 'high': 0.8}
        >>> f"{Estimate(0.7, 0.6, 0.8):.3f}", f"{UNRESOLVED:.3f}"
        ('0.700 [0.600, 0.800]', 'n/a')
    """

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of_mean(cls, values: Float[np.ndarray, " values"]) -> "Estimate":
        """The mean of independent values, with twice its standard error on both sides.

        Args:
            values: at least one; of a single one nothing but itself is known.

        Examples:
            >>> f"{Estimate.of_mean(np.array([1.0, 3.0])):.1f}"
            '2.0 [0.0, 4.0]'
        """
        mean = float(values.mean())
        if len(values) < 2:
            return cls(mean, None, None)
        error = 2 * float(values.std(ddof=1)) / len(values) ** 0.5
        return cls(mean, mean - error, mean + error)

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        if self.value is None:
            return "n/a"
        if self.low is None or self.high is None:
            return format(self.value, spec)
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    @property
    def coarse(self) -> bool:
        """Whether it depends on fewer than ten pairs."""
        return False


class Coarse(Estimate):
    """An imprecise estimate: fewer than ten pairs are allowed to pass its threshold.

    Examples:
        >>> Coarse(0.02, 0.0, 0.09)
        Coarse(value=0.02, low=0.0, high=0.09)
        >>> Coarse(0.02, 0.0, 0.09)._asdict()
        {'value': 0.02, 'low': 0.0, 'high': 0.09, 'coarse': True}
    """

    __slots__ = ()

    @property
    def coarse(self) -> bool:
        """True: few pairs pass its threshold."""
        return True

    def _asdict(self) -> dict[str, Any]:
        return {**super()._asdict(), "coarse": True}


UNRESOLVED = Estimate(None, None, None)
