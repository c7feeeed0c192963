"""The mean and deviation of a data set's inputs, to standardise them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from pptp_jax.data.dataset import Dataset

# Networks learn as they are meant to from inputs whose largest magnitude lies between these.
UNIT = (0.25, 1.0)
# No standardised input is further from zero: a feature that is rarely anything but zero would be.
FARTHEST = 10.0
# So few digits are kept that sums in another order, on another machine, give the same numbers.
DIGITS = 4
_ROWS = 65536


class Scales(NamedTuple):
    """The numbers that standardise inputs, for each entry of their last axis.

    Attributes:
        mean: over all examples, and over all places of an image.
        deviation: the standard deviation, likewise; larger where an input would otherwise come to
            lie further than `FARTHEST` from zero, and 1 where all inputs are the same.

    Examples:
        >>> x, ids = np.array([[1.0, 7.0], [3.0, 7.0]]), np.array(["a", "b"])
        >>> mean, deviation = Scales.of(Dataset("two", x, np.array([0, 1]), ids, 2))
        >>> mean.tolist(), deviation.tolist()
        ([2.0, 7.0], [1.0, 1.0])
    """

    mean: Float[np.ndarray, " last"]
    deviation: Float[np.ndarray, " last"]

    @classmethod
    def of(cls, data: Dataset) -> "Scales":
        """Computes the scales over all examples of a data set, members or not.

        So they do not depend on membership, and all models of a fleet share them.

        Args:
            data: the data set.
        """
        x = data.x.reshape(-1, data.x.shape[-1])
        low, high = x.min(axis=0).astype(np.float64), x.max(axis=0).astype(np.float64)
        mean = sum(part.sum(axis=0) for part in _parts(x)) / len(x)
        variance = sum(np.square(part - mean).sum(axis=0) for part in _parts(x)) / len(x)
        far = np.maximum(high - mean, mean - low) / FARTHEST
        deviation = np.where(high > low, np.maximum(np.sqrt(variance), far), 1 / data.scale)
        mean, deviation = mean * data.scale, deviation * data.scale
        return cls(_rounded(mean, deviation), _rounded(deviation, deviation))


def _parts(x: Shaped[np.ndarray, "rows last"]) -> Iterator[Float[np.ndarray, "rows last"]]:
    """Some rows at a time: in double precision they may not all fit into memory."""
    return (x[i : i + _ROWS].astype(np.float64) for i in range(0, len(x), _ROWS))


def of_unit_scale(data: Dataset) -> bool:
    """Whether the inputs, as a model sees them, are in units that networks learn from.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> of_unit_scale(Digits().load())
        True
    """
    largest = max(abs(float(bound)) for bound in (data.x.min(), data.x.max())) * data.scale
    return UNIT[0] <= largest <= UNIT[1]


def _rounded(
    numbers: Float[np.ndarray, " last"], deviation: Float[np.ndarray, " last"]
) -> Float[np.ndarray, " last"]:
    """Numbers rounded to `DIGITS` digits of their deviation."""
    places = DIGITS - 1 - np.floor(np.log10(deviation)).astype(int)
    return np.array([round(*pair) for pair in zip(numbers.tolist(), places.tolist(), strict=True)])
