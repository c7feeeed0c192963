"""Gaussian differential privacy: conversions between μ and (ε, δ)."""

import math

from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr

from pptp_jax.validation import Refused, fraction, not_negative


def gaussian_delta(mu: float, epsilon: float) -> float:
    r"""δ at some ε of a μ-Gaussian-private mechanism.

    δ = Φ(−ε/μ + μ/2) − e^ε Φ(−ε/μ − μ/2); a Gaussian mechanism of noise multiplier σ has μ = 1/σ,
    and μ of T of them together is √T/σ.

    Args:
        mu: μ.
        epsilon: ε.

    Raises:
        ValueError: if a number is negative.

    References:
        Dong, Roth and Su, "Gaussian Differential Privacy", JRSS B 2022,
        https://arxiv.org/abs/1905.02383, Corollary 2.13

    Examples:
        >>> print(f"{gaussian_delta(mu=1.0, epsilon=1.0):.4f}")
        0.1269
    """
    not_negative(mu=mu, epsilon=epsilon)
    if mu == 0:
        return 0.0
    away, near = -epsilon / mu - mu / 2, -epsilon / mu + mu / 2
    return float(max(0.0, ndtr(near) - math.exp(min(700.0, epsilon + log_ndtr(away)))))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """ε at some δ of a μ-Gaussian-private mechanism.

    Args:
        mu: μ.
        delta: δ, above 0 where μ is.

    Raises:
        ValueError: if μ is negative, or δ lies outside [0, 1], or is 0 where ε is infinite.

    Examples:
        >>> print(f"{gaussian_epsilon(mu=1.0, delta=1e-5):.3f}")
        4.377
    """
    not_negative(mu=mu)
    fraction(delta=delta)
    if mu > 0 and delta == 0:
        raise Refused("a Gaussian mechanism has no ε at delta 0: give a delta above 0")
    if mu == 0 or gaussian_delta(mu, 0.0) <= delta:
        return 0.0
    high = 1.0
    while gaussian_delta(mu, high) > delta:
        high *= 2
    return float(brentq(lambda epsilon: gaussian_delta(mu, epsilon) - delta, 0.0, high))
