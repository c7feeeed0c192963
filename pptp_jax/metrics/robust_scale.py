"""A robust standard deviation, which outliers do not move."""

import numpy as np
from jaxtyping import Float

from pptp_jax.validation import Refused


def robust_scale(residuals: Float[np.ndarray, "..."]) -> float:
    """1.4826 times the median of |r|: σ of Gaussian residuals around 0, which outliers do not move.

    `Regression(scale=...)` takes it. LiRA does not depend on the scale; attacks that compare
    likelihoods, such as RMIA and BASE, do.

    Args:
        residuals: answers less targets, of any shape; such as those of models on non-members.

    Raises:
        ValueError: if there are none, one is not finite, or half of them are 0.

    References:
        Rousseeuw and Croux, "Alternatives to the Median Absolute Deviation", 1993,
        https://doi.org/10.1080/01621459.1993.10476408

    Examples:
        >>> residuals = np.random.default_rng(0).normal(0, 3, 10001)
        >>> residuals[:50] = 1e9
        >>> round(robust_scale(residuals), 1)
        3.0
    """
    residuals = np.abs(np.asarray(residuals, np.float64))
    if not residuals.size or not np.isfinite(residuals).all():
        raise Refused("a scale needs residuals, all of them finite")
    middle = float(np.median(residuals))
    if middle == 0:
        raise Refused("half of the residuals are 0, so that they have no scale")
    return 1.4826 * middle
