"""Collusion: how others' budgets change one example's privacy, and contracts that bound it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pptp_jax.privacy.calibration import noise_within
from pptp_jax.privacy.individual import individual_sampling
from pptp_jax.privacy.profile import PrivacyProfile, delta_divergence
from pptp_jax.validation import Refused, fraction, keep_python_numbers, positive

Epsilons = Sequence[float] | Float[np.ndarray, " examples"]


@dataclass(frozen=True, kw_only=True)
class Excess:
    """The attacker's advantage on an example among these others, and among its like.

    Attributes:
        advantage: the best attacker's true positives over its false ones.
        baseline: the same if everybody had the example's budget.
        divergence: Δ of the two mechanisms. The advantages differ by up to 2 Δ.
        own: the mechanism.
        uniform: that of the baseline.
    """

    advantage: float
    baseline: float
    divergence: float
    own: PrivacyProfile
    uniform: PrivacyProfile

    @property
    def excess(self) -> float:
        """The advantage over the baseline; below 0 where the others protect the example."""
        return self.advantage - self.baseline


@dataclass(frozen=True, kw_only=True)
class Coalition:
    """The examples that lower their budgets to expose a target, and the effect.

    Attributes:
        members: their places.
        epsilons: all budgets afterwards.
        before: the target's excess without them.
        after: its excess with them.
    """

    members: Int[np.ndarray, " coalition"]
    epsilons: Float[np.ndarray, " examples"]
    before: Excess
    after: Excess


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a contract was kept.

    Attributes:
        kept: whether it was.
        spent: δ at the contract's ε.
        found: the example's excess over the baseline among its like.
        blame: for each budget of the others, the Δ that is left if its holders take the
            contract's ε instead, the least first: who breaks it comes first.
    """

    kept: bool
    spent: float
    found: Excess
    blame: dict[float, float]


def excess_vulnerability(
    target: int,
    epsilons: Epsilons,
    delta: float,
    *,
    expected_batch_size: float,
    steps: int,
) -> Excess:
    """The excess vulnerability of an example by the others' budgets, under individual sampling.

    Its (ε, δ) is kept in any case. But one point of a privacy profile does not fix the others:
    among people with small budgets the noise is large and the example joins many batches, which
    gives an attacker more than the same ε among its like.

    Args:
        target: the place of the example.
        epsilons: the budget of each example.
        delta: δ, of all.
        expected_batch_size: how many examples a batch has on average.
        steps: how many steps the training has.

    Returns:
        The advantage, that of the baseline (the same steps and batches, all budgets as the
        target's; the choice of this baseline is ours) and Δ.

    Raises:
        ValueError: if there is no such example, or as `individual_sampling`.
        ImportError: if dp-accounting is not installed.

    References:
        Kaiser et al., "Your Privacy Depends on Others", SaTML 2026,
        https://arxiv.org/abs/2601.12922

    Examples:
        >>> among = [8.0] + [2.0] * 99
        >>> found = excess_vulnerability(0, among, 1e-5, expected_batch_size=5, steps=40)
        >>> bool(found.advantage > found.baseline), bool(found.excess <= 2 * found.divergence)
        (True, True)
    """
    each = np.asarray(epsilons, np.float64)
    _check_target(target, each)
    budgets = individual_sampling(each, delta, expected_batch_size=expected_batch_size, steps=steps)
    return _excess(
        budgets.profile(target),
        float(budgets.epsilons[target]),
        delta,
        rate=expected_batch_size / len(each),
    )


def worst_coalition(
    target: int,
    share: float,
    epsilons: Epsilons,
    delta: float,
    *,
    lowest: float,
    expected_batch_size: float,
    steps: int,
) -> Coalition:
    """The coalition that exposes a target most by lowering its own budgets.

    Its members have the largest budgets, and set the lowest that is allowed: the noise rises
    with the rates that they give up, and the target joins more batches in their place. Once it
    joins them all, more noise only hides it: then half as many collude, and half of those, as long
    as that exposes it more. A coalition needs no access to the model.

    Args:
        target: the place of the example under attack.
        share: how large a part of all examples colludes, at most.
        epsilons: the budget of each example before.
        delta: δ, of all.
        lowest: the least budget that anybody may choose.
        expected_batch_size: how many examples a batch has on average.
        steps: how many steps the training has.

    Returns:
        Who they are, all budgets afterwards, and the target's exposure before and after.

    Raises:
        ValueError: if the share lies outside [0, 1], `lowest` is not positive, or as
            `excess_vulnerability`.
        ImportError: if dp-accounting is not installed.

    References:
        Kaiser et al., "Your Privacy Depends on Others", SaTML 2026,
        https://arxiv.org/abs/2601.12922; who colludes, and how many, is our choice

    Examples:
        >>> found = worst_coalition(
        ...     0, 0.5, [8.0] * 20, 1e-5, lowest=1.0, expected_batch_size=2, steps=40
        ... )
        >>> len(found.members), bool(found.after.advantage > found.before.advantage)
        (10, True)
    """
    fraction(share=share)
    positive(lowest=lowest)
    each = np.asarray(epsilons, np.float64)
    _check_target(target, each)
    others = np.flatnonzero((np.arange(len(each)) != target) & (each > lowest))
    largest = others[np.argsort(-each[others], kind="stable")]

    def joined(size: int) -> Coalition:
        chosen = np.sort(largest[:size])
        lowered = each.copy()
        lowered[chosen] = lowest
        after = excess_vulnerability(
            target, lowered, delta, expected_batch_size=expected_batch_size, steps=steps
        )
        return Coalition(members=chosen, epsilons=lowered, before=before, after=after)

    before = excess_vulnerability(
        target, each, delta, expected_batch_size=expected_batch_size, steps=steps
    )
    size = min(len(largest), int(share * len(each)))
    tried = [joined(size)]
    while size and tried[-1].after.advantage >= max(one.after.advantage for one in tried):
        size //= 2
        tried.append(joined(size))
    return max(tried, key=lambda one: one.after.advantage)


@dataclass(frozen=True, kw_only=True)
class IndividualContract:
    """A promise to one example: (ε, δ), and at most Δ from what ε means among its like.

    A Δ of 0 asks for the very mechanism of equal budgets; from ½ on, the contract is (ε, δ) alone.

    Attributes:
        epsilon: ε.
        delta: δ.
        max_divergence: Δ, at most. The advantage of an attacker may still differ by 2 Δ.

    Raises:
        ValueError: if ε is not positive, δ does not lie between 0 and 1, or Δ outside [0, 1].

    References:
        Kaiser et al., "Your Privacy Depends on Others", SaTML 2026,
        https://arxiv.org/abs/2601.12922

    Examples:
        >>> contract = IndividualContract(epsilon=8.0, delta=1e-5, max_divergence=0.05)
        >>> run = dict(expected_batch_size=5, steps=40)
        >>> contract.check([8.0] * 99, **run).kept
        True
        >>> broken = contract.check([8.0] * 9 + [1.0] * 90, **run)
        >>> broken.kept, list(broken.blame)[0]
        (False, 1.0)
    """

    epsilon: float
    delta: float
    max_divergence: float

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        positive(epsilon=self.epsilon)
        fraction(delta=self.delta, max_divergence=self.max_divergence)
        if not 0 < self.delta < 1:
            raise Refused(f"delta must lie between 0 and 1, both excluded, got {self.delta}")

    def check(self, others: Epsilons, *, expected_batch_size: float, steps: int) -> Verdict:
        """Whether the contract is kept among others with these budgets, and who breaks it.

        Args:
            others: the budget of each other example.
            expected_batch_size: how many examples a batch has on average, with this one.
            steps: how many steps the training has.

        Raises:
            ValueError: as `excess_vulnerability`.
            ImportError: if dp-accounting is not installed.
        """
        run: dict[str, Any] = {"expected_batch_size": expected_batch_size, "steps": steps}
        budgets = np.asarray(others, np.float64)
        if budgets.ndim != 1:
            raise Refused(f"others must be one budget an example, got shape {budgets.shape}")
        each = np.append(self.epsilon, budgets)
        found = excess_vulnerability(0, each, self.delta, **run)
        spent = found.own.delta(self.epsilon)
        kept = bool(spent <= self.delta and found.divergence <= self.max_divergence)
        blame = {}
        if not kept:
            for budget in np.unique(each[each != self.epsilon]).tolist():
                instead = np.where(each == budget, self.epsilon, each)
                left = excess_vulnerability(0, instead, self.delta, **run)
                blame[budget] = left.divergence
        return Verdict(
            kept=kept,
            spent=spent,
            found=found,
            blame=dict(sorted(blame.items(), key=lambda one: one[1])),
        )


def _excess(own: PrivacyProfile, epsilon: float, delta: float, *, rate: float) -> Excess:
    noise = noise_within(epsilon, delta, rate=rate, steps=own.steps)
    uniform = PrivacyProfile(rate=rate, noise_multiplier=noise, steps=own.steps)
    return Excess(
        advantage=own.advantage,
        baseline=uniform.advantage,
        divergence=delta_divergence(own, uniform),
        own=own,
        uniform=uniform,
    )


def _check_target(target: int, epsilons: Float[np.ndarray, " examples"]) -> None:
    if epsilons.ndim != 1:
        raise Refused(f"epsilons must be one number an example, got shape {epsilons.shape}")
    if target not in range(len(epsilons)):
        raise Refused(
            f"target must be the place of one of the {epsilons.size} budgets, got {target}"
        )
