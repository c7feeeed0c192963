"""A lower bound on ε from a single run with many canaries, each in by its own fair coin."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Real
from scipy.special import expit
from scipy.stats import binom

from pptp_jax.audit.bound import MECHANISMS, EpsilonBound, Mechanism, check_canaries, check_level
from pptp_jax.audit.one_run_gaussian import gaussian_one_run_bound
from pptp_jax.audit.right_guesses import check_guesses, smallest_allowed
from pptp_jax.privacy import gaussian_epsilon
from pptp_jax.validation import Refused, at_least, not_negative, one_of

# Fewer guesses than these could not say much if all were right.
_LEAST = 8
Sides = Literal["both", "in"]


def epsilon_in_one_run(
    scores: Real[np.ndarray, " canaries"],
    membership: Bool[np.ndarray, " canaries"],
    *,
    delta: float = 0.0,
    confidence: float = 0.95,
    guesses: int | Sequence[int] | None = None,
    sides: Sides = "both",
    mechanism: Mechanism = "any",
    seed: int = 0,
) -> EpsilonBound:
    """A lower bound on the ε of a training from one run of it.

    The auditor guesses the membership of the canaries that score highest and lowest, and is silent
    about the others. Under (ε, δ) its guesses are hardly better than coins that come up right with
    probability e^ε / (1 + e^ε); see `one_run_bound`.

    Args:
        scores: one a canary; a larger one means "more likely a member".
        membership: which canaries were in. **Each must have been in by a fair coin of its own**,
            thrown apart from everything else: a membership that is balanced exactly will not do.
        delta: δ.
        confidence: of the bound.
        guesses: how many guesses are made. With several numbers each is tried at a significance
            divided by how many there are (Bonferroni). None tries all canaries, half of them, a
            quarter, and so on down to 8.
        sides: whether half of the guesses are "in", on the highest scores, and half "out", on the
            lowest; or all are "in".
        mechanism: `gaussian` supposes that the training is a Gaussian mechanism, as DP-SGD with
            shuffled batches is; δ must then be above 0. The bound is larger, and holds for no
            other training.
        seed: decides between equal scores, so that the order of the canaries tells nothing.

    Returns:
        The best bound over the numbers of guesses.

    Raises:
        ValueError: if scores and membership do not fit, or there are more guesses than canaries.

    References:
        Steinke, Nasr and Jagielski, "Privacy Auditing with One (1) Training Run", NeurIPS 2023,
        https://arxiv.org/abs/2305.08846. Mahloujifar, Melis and Chaudhuri, "Auditing
        f-Differential Privacy in One Run", ICML 2025, https://arxiv.org/abs/2410.22235 (`gaussian`)

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> membership = rng.random(1000) < 0.5
        >>> scores = rng.normal(size=1000) + 4 * membership
        >>> print(epsilon_in_one_run(scores, membership, delta=1e-5))
        ε ≥ 4.53 at δ = 1e-05 with 95 % confidence (500 of 500 guesses right on 1000 canaries)
    """
    check_level(delta, confidence)
    one_of(("both", "in"), sides=sides)
    one_of(MECHANISMS, mechanism=mechanism)
    check_canaries(scores, membership)
    if scores.ndim != 1 or not scores.size:
        raise Refused(f"one run needs scores of shape (canaries,), got {scores.shape}")
    tried = _numbers(guesses, len(scores))
    at_least(1, **{f"guesses[{i}]": number for i, number in enumerate(tried)})
    if max(tried) > len(scores):
        raise Refused(f"there are {len(scores)} canaries, too few for {max(tried)} guesses")
    falling = np.lexsort((np.random.default_rng(seed).random(len(scores)), -scores))
    inside = membership[falling]
    corrected = 1 - (1 - confidence) / len(tried)
    found = []
    for number in tried:
        out = number // 2 if sides == "both" else 0
        right = int(inside[: number - out].sum() + (~inside[len(inside) - out :]).sum())
        counts = (len(scores), number, right)
        if mechanism == "gaussian":
            mu = gaussian_one_run_bound(*counts, confidence=corrected)
            bound = gaussian_epsilon(mu, delta)
        else:
            bound = one_run_bound(*counts, delta=delta, confidence=corrected)
        found.append((bound, number, right))
    bound, number, right = max(found, key=lambda one: one[0])
    return EpsilonBound(
        epsilon=bound,
        delta=delta,
        confidence=confidence,
        evidence=f"{right} of {number} guesses right on {len(scores)} canaries",
    )


def one_run_bound(
    canaries: int, guesses: int, right: int, *, delta: float = 0.0, confidence: float = 0.95
) -> float:
    r"""The smallest ε that a number of right guesses does not reject.

    Args:
        canaries: m, the canaries that were in by fair coins.
        guesses: r, how many guesses were made, a number chosen beforehand.
        right: v, how many of them were right.
        delta: δ.
        confidence: of the bound.

    Returns:
        The ε at which the p-value of `one_run_p_value` reaches 1 − `confidence`; 0 if it is
        larger at ε = 0.

    Examples:
        Ten of ten right at δ = 0: q^10 = .05 at q = .741, and ε = log(q / (1 − q)).

        >>> print(f"{one_run_bound(10, 10, 10):.4f}")
        1.0519
    """
    check_level(delta, confidence)

    def slack(epsilon: float) -> float:
        return one_run_p_value(canaries, guesses, right, epsilon, delta) - (1 - confidence)

    return smallest_allowed(slack)


def one_run_p_value(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    r"""The p-value of a number of right guesses, if the training is (ε, δ)-private.

    With f(v) = Pr[Bin(r, e^ε / (1 + e^ε)) ≥ v] it is
    f(v) + 2 m δ · max_{1 ≤ i ≤ v} (f(v − i) − f(v)) / i, and at most 1.

    Args:
        canaries: m.
        guesses: r.
        right: v.
        epsilon: ε.
        delta: δ.

    Raises:
        ValueError: unless right ≤ guesses ≤ canaries, or if ε or δ is out of range.

    Examples:
        >>> print(one_run_p_value(2, 2, 2, epsilon=0.0, delta=0.0))
        0.25

        f(2) = 1/4, f(1) = 3/4, f(0) = 1, so that the maximum is that of i = 1: 1/2.

        >>> print(one_run_p_value(2, 2, 2, epsilon=0.0, delta=0.1))
        0.45
    """
    check_guesses(canaries, guesses, right)
    not_negative(epsilon=epsilon)
    check_level(delta, 0.5)
    fewest = right if delta == 0 else 0  # without δ the other terms count for nothing
    tails = binom.sf(np.arange(right, fewest - 1, -1) - 1, guesses, expit(epsilon))
    gains = (tails[1:] - tails[0]) / np.arange(1, len(tails))
    p = tails[0] + 2 * canaries * delta * gains.max(initial=0.0)
    return float(min(p, 1.0))


def _numbers(guesses: int | Sequence[int] | None, canaries: int) -> list[int]:
    if guesses is None:
        halved = [canaries >> i for i in range(canaries.bit_length())]
        return [number for number in halved if number >= _LEAST] or [canaries]
    numbers: list[int] = np.ravel(guesses).tolist()
    if not numbers:
        raise Refused("guesses must be a number, or one or more of them; got none")
    return numbers
