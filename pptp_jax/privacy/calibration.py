"""Calibrate noise and sampling rates to a privacy budget."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from scipy.optimize import brentq

from pptp_jax.privacy.accounting import dp_accounting, without_warnings
from pptp_jax.privacy.profile import PrivacyProfile
from pptp_jax.validation import Refused, one_of

Accountant = Literal["rdp", "pld"]
ACCOUNTANTS = ("rdp", "pld")

# Orders of Rényi divergences: at large ε and small δ the best lie below 10, close together. Those
# below 2 take long, and serve large δ alone.
_ORDERS = (
    *np.arange(2.0, 6.0, 0.5).tolist(),
    *(6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128, 256, 512),
)
_LEAST_RATE, _PRECISION = 1e-10, 1e-4
LEAST_NOISE, MOST_NOISE = 0.2, 1e4


@lru_cache(maxsize=4096)
def noise_within(
    epsilon: float, delta: float, *, rate: float, steps: int, accountant: Accountant = "rdp"
) -> float:
    """The least noise multiplier with which steps of a rate spend no more than ε.

    Args:
        epsilon: ε.
        delta: δ.
        rate: the probability that an example joins a step.
        steps: how many there are.
        accountant: as for `individual_sampling`.

    Raises:
        ValueError: if no noise between 0.2 and 10,000 does, or the accountant is unknown.
        ImportError: if dp-accounting is not installed.

    Examples:
        >>> run = dict(rate=0.1, steps=10)
        >>> [round(noise_within(2.0, 1e-5, accountant=by, **run), 2) for by in ("rdp", "pld")]
        [1.31, 1.19]
    """
    one_of(ACCOUNTANTS, accountant=accountant)

    def over(log_noise: float) -> float:
        return epsilon - _spent(rate, float(np.exp(log_noise)), steps, delta, accountant)

    found = root(over, LEAST_NOISE, MOST_NOISE)
    if found is None:
        raise Refused(
            f"no noise multiplier between {LEAST_NOISE:g} and {MOST_NOISE:g} spends ε = "
            f"{epsilon:g} in {steps} steps at a rate of {rate:g}: take fewer steps or another ε"
        )
    return float(np.exp(found))


def rate_within(
    epsilon: float, delta: float, noise_multiplier: float, steps: int, accountant: Accountant
) -> float:
    """The highest rate at which steps spend no more than ε; 0 where even one in 10¹⁰ spends more.

    Args:
        epsilon: ε.
        delta: δ.
        noise_multiplier: the noise's standard deviation over the example's largest norm.
        steps: how many there are.
        accountant: as for `individual_sampling`.
    """

    def over(log_rate: float) -> float:
        rate = min(1.0, float(np.exp(log_rate)))
        spent = _spent(rate, noise_multiplier, steps, delta, accountant)
        return min(spent, 2 * epsilon + 1) - epsilon  # an infinite ε has no root beside it

    if over(0.0) <= 0:
        return 1.0
    if over(np.log(_LEAST_RATE)) >= 0:
        return 0.0
    return float(np.exp(brentq(over, np.log(_LEAST_RATE), 0.0, xtol=_PRECISION)))


@lru_cache(maxsize=1 << 16)
def _spent(
    rate: float, noise_multiplier: float, steps: int, delta: float, accountant: Accountant
) -> float:
    """The ε of Poisson batches."""
    if accountant == "pld":
        own = PrivacyProfile(rate=rate, noise_multiplier=noise_multiplier, steps=steps)
        return own.epsilon(delta)
    dp = dp_accounting()
    event: Any = dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(noise_multiplier))
    with without_warnings():
        renyi = dp.rdp.RdpAccountant(_ORDERS)
        renyi.compose(dp.SelfComposedDpEvent(event, steps))
        return float(renyi.get_epsilon(delta))


def root(function: Callable[[float], float], least: float, most: float) -> float | None:
    """The least logarithm at which a rising function of it is 0; None where it has no root.

    Args:
        function: of the logarithm.
        least: the least number whose logarithm is tried.
        most: the largest.
    """
    low, high = np.log(least), np.log(most)
    if function(low) > 0 or function(high) < 0:
        return None
    if function(high) == 0:  # as where all rates are 1
        while high - low > _PRECISION:
            middle = (low + high) / 2
            low, high = (middle, high) if function(middle) < 0 else (low, middle)
        return float(high)
    return float(brentq(function, low, high, xtol=_PRECISION))
