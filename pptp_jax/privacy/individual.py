"""A budget for each example: by how often it joins a batch, or by how far it is clipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from pptp_jax.privacy.calibration import (
    ACCOUNTANTS,
    LEAST_NOISE,
    MOST_NOISE,
    Accountant,
    noise_within,
    rate_within,
    root,
)
from pptp_jax.privacy.profile import PrivacyProfile
from pptp_jax.validation import Refused, at_least, fraction, one_of, positive

_LEVELS = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class IndividualBudgets:
    """Training with a budget for each example: the noise, rates and norms that spend it.

    Attributes:
        epsilons: what each example was promised; more than 64 different budgets were rounded down
            to 64 of them.
        delta: δ, of all.
        steps: the number of steps.
        noise_multiplier: the noise's standard deviation over a clipping norm of 1.
        rates: the probability with which each example joins a step.
        norms: the norm that each example is clipped to, in units of the norm that noise is
            measured in. Their weighted mean is 1.

    Examples:
        >>> budgets = [8.0] * 50 + [2.0] * 50
        >>> found = individual_sampling(budgets, 1e-5, expected_batch_size=10, steps=40)
        >>> bool(found.rates[0] > 0.1 > found.rates[-1]), round(float(found.rates.sum()), 2)
        (True, 10.0)
    """

    epsilons: Float[np.ndarray, " examples"]
    delta: float
    steps: int
    noise_multiplier: float
    rates: Float[np.ndarray, " examples"]
    norms: Float[np.ndarray, " examples"]

    def profile(self, example: int) -> PrivacyProfile:
        """The privacy profile of an example.

        Args:
            example: its place.

        Raises:
            ValueError: if there is no such place.
        """
        if example not in range(len(self.rates)):
            raise Refused(f"example must be one of 0 to {len(self.rates) - 1}, got {example}")
        return PrivacyProfile(
            rate=float(self.rates[example]),
            noise_multiplier=self.noise_multiplier / float(self.norms[example]),
            steps=self.steps,
        )

    @property
    def never_drawn(self) -> tuple[float, ...]:
        """The budgets so small that not one example of theirs is expected in all of the training.

        To promise such a budget is to leave its examples out, without a word.
        """
        found = []
        for budget in np.unique(self.epsilons):
            own = self.epsilons == budget
            if self.rates[own].sum() * self.steps < 1:
                found.append(float(budget))
        return tuple(found)


def individual_sampling(
    epsilons: Sequence[float] | Float[np.ndarray, " examples"],
    delta: float,
    *,
    expected_batch_size: float,
    steps: int,
    accountant: Accountant = "rdp",
) -> IndividualBudgets:
    """Noise for all and a rate for each example, so that each spends its own ε.

    The examples that promise less privacy join more batches. All share the noise, so **what an
    example leaks depends on the budgets of the others**; see `excess_vulnerability`.

    The noise multiplier is the one at which the rates that the budgets allow add up to the expected
    batch size.

    Args:
        epsilons: the budget of each example, all above 0. Budgets chosen by looking at an example's
            values are not private.
        delta: δ, of all.
        expected_batch_size: how many examples a batch has on average.
        steps: how many steps the training has.
        accountant: what counts an ε: `rdp` (Rényi divergences, an upper bound that leaves a part of
            a budget unspent) or `pld` (privacy-loss distributions: tight, some ten times slower).

    Returns:
        The noise multiplier and the rates; all norms are 1.

    Raises:
        ValueError: if a budget is not positive and finite, δ does not lie between 0 and 1, a batch
            is expected to have more examples than there are, no noise suffices, or the accountant
            is unknown.
        ImportError: if dp-accounting is not installed.

    References:
        Boenisch et al., "Have it your way: Individualized Privacy Assignment for DP-SGD", NeurIPS
        2023, https://arxiv.org/abs/2303.17046

    Examples:
        >>> equal = individual_sampling([4.0] * 100, 1e-5, expected_batch_size=10, steps=40)
        >>> bool(abs(equal.rates - 0.1).max() < 1e-4)
        True
    """
    one_of(ACCOUNTANTS, accountant=accountant)
    each, steps = _checked(epsilons, delta, expected_batch_size, steps)
    budgets, places, counts = np.unique(each, return_inverse=True, return_counts=True)

    def rates(log_noise: float) -> Float[np.ndarray, " budgets"]:
        noise = float(np.exp(log_noise))
        own = [rate_within(one, delta, noise, steps, accountant) for one in budgets.tolist()]
        return np.array(own)

    def excess(log_noise: float) -> float:
        return float(counts @ rates(log_noise)) - expected_batch_size

    found = root(excess, LEAST_NOISE, MOST_NOISE)
    if found is None:
        raise Refused(
            f"no noise multiplier between {LEAST_NOISE:g} and {MOST_NOISE:g} gives budgets of "
            f"{budgets.min():g} to {budgets.max():g} with batches of {expected_batch_size:g} of "
            f"{len(each)} examples and {steps} steps: take fewer steps or other budgets"
        )
    own = rates(found)
    # The root is as exact as its search, and the sum is what gradients are divided by.
    own = np.minimum(own, own * (expected_batch_size / float(counts @ own)))
    return IndividualBudgets(
        epsilons=each,
        delta=delta,
        steps=steps,
        noise_multiplier=float(np.exp(found)),
        rates=own[places],
        norms=np.ones(len(each)),
    )


def individual_clipping(
    epsilons: Sequence[float] | Float[np.ndarray, " examples"],
    delta: float,
    *,
    expected_batch_size: float,
    steps: int,
    accountant: Accountant = "rdp",
) -> IndividualBudgets:
    """Noise for all and a clipping norm for each example, so that each spends its own ε.

    All join a batch with the same probability. The noise over an example's own norm is what plain
    training at its budget would need, so **no example's privacy depends on the others' budgets**.

    Args:
        epsilons: the budget of each example, all above 0.
        delta: δ, of all.
        expected_batch_size: how many examples a batch has on average.
        steps: how many steps the training has.
        accountant: as for `individual_sampling`.

    Returns:
        The noise multiplier, over a norm of 1, and the norms, whose mean is 1; all rates are equal.

    Raises:
        ValueError: as `individual_sampling`.
        ImportError: if dp-accounting is not installed.

    References:
        Boenisch et al., "Have it your way: Individualized Privacy Assignment for DP-SGD", NeurIPS
        2023, https://arxiv.org/abs/2303.17046; the noise is the harmonic mean of the budgets' own,
        which makes the norms' mean 1

    Examples:
        >>> found = individual_clipping([8.0, 2.0], 1e-5, expected_batch_size=0.2, steps=40)
        >>> bool(found.norms[0] > 1 > found.norms[1]), round(float(found.norms.mean()), 6)
        (True, 1.0)
    """
    one_of(ACCOUNTANTS, accountant=accountant)
    each, steps = _checked(epsilons, delta, expected_batch_size, steps)
    rate = expected_batch_size / len(each)
    budgets, places = np.unique(each, return_inverse=True)
    how: dict[str, Any] = {"rate": rate, "steps": steps, "accountant": accountant}
    own = np.array([noise_within(budget, delta, **how) for budget in budgets.tolist()])
    noise = own[places]
    together = len(noise) / float((1 / noise).sum())
    return IndividualBudgets(
        epsilons=each,
        delta=delta,
        steps=steps,
        noise_multiplier=together,
        rates=np.full(len(each), rate),
        norms=together / noise,
    )


def _checked(
    epsilons: Sequence[float] | Float[np.ndarray, " examples"],
    delta: float,
    expected_batch_size: float,
    steps: int,
) -> tuple[Float[np.ndarray, " examples"], int]:
    each = np.asarray(epsilons, np.float64)
    if each.ndim != 1 or not len(each):
        raise Refused(f"epsilons must be one number an example, got shape {each.shape}")
    bad = each[~(np.isfinite(each) & (each > 0))]
    if len(bad):
        raise Refused(f"each epsilon must be positive and finite, got {bad[0]:g}")
    fraction(delta=delta)
    if not 0 < delta < 1:
        raise Refused(f"delta must lie between 0 and 1, both excluded, got {delta}")
    at_least(1, steps=steps)
    positive(expected_batch_size=expected_batch_size)
    if not 0 < expected_batch_size <= len(each):
        raise Refused(
            f"expected_batch_size must be above 0 and at most the number of examples, "
            f"{len(each)}; got {expected_batch_size:g}"
        )
    known = np.unique(each)
    if len(known) > _LEVELS:
        levels = np.quantile(known, np.linspace(0, 1, _LEVELS), method="lower")
        each = levels[np.searchsorted(levels, each, side="right") - 1]
    return each, int(steps)
