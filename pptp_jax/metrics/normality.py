"""Whether an example's values are Gaussian over models, as LiRA assumes."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from pptp_jax.validation import Refused

# A kurtosis takes four values.
_FEWEST = 4
_LEVEL = 0.05


class Normality(NamedTuple):
    """Skewness, excess kurtosis and rejections, over examples: 0, 0 and .05 where Gaussian.

    Attributes:
        examples: how many examples tell: those with four models or more, whose values differ.
        skewness: the mean skewness, made up for the number of models.
        kurtosis: the mean excess kurtosis, made up likewise.
        rejected: the share of examples whose values a test by Shapiro and Wilk at 5 % rejects.

    Examples:
        >>> Normality(examples=400, skewness=-0.08, kurtosis=0.04, rejected=0.05).skewness
        -0.08
    """

    examples: int
    skewness: float
    kurtosis: float
    rejected: float


def normality(
    values: Float[np.ndarray, "models examples"], chosen: Bool[np.ndarray, "models examples"]
) -> Normality:
    """The distance of values from Gaussian ones, each example by itself.

    Args:
        values: a number of each model and example, φ say.
        chosen: which of them are looked at: the membership matrix, or what it is not.

    Raises:
        Refused: if the shapes disagree, or no example has four different values.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> chosen = np.ones((32, 500), bool)
        >>> found = normality(rng.normal(size=(32, 500)), chosen)
        >>> abs(found.skewness) < 0.05, abs(found.kurtosis) < 0.1, found.rejected < 0.08
        (True, True, True)
        >>> round(normality(rng.exponential(size=(32, 500)), chosen).rejected, 1)
        1.0
    """
    if values.shape != chosen.shape:
        raise Refused(
            f"there is one choice for each value: values have shape {values.shape}, and chosen has "
            f"{chosen.shape}"
        )
    found = []
    for column, own in zip(values.astype(np.float64).T, chosen.T, strict=True):
        seen = column[own]
        if len(seen) < _FEWEST or np.ptp(seen) == 0:
            continue
        with np.errstate(all="ignore"):
            skewness = stats.skew(seen, bias=False)
            kurtosis = stats.kurtosis(seen, bias=False)
            found.append((skewness, kurtosis, stats.shapiro(seen).pvalue < _LEVEL))
    if not found:
        raise Refused("an example needs four models with different values, and none has them")
    skewness, kurtosis, rejected = np.mean(found, axis=0)
    return Normality(len(found), float(skewness), float(kurtosis), float(rejected))
