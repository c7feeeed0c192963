"""How many guesses a Gaussian mechanism lets an auditor get right in one run."""

from scipy.special import ndtr, ndtri

from pptp_jax.audit.bound import check_level
from pptp_jax.audit.right_guesses import check_guesses, smallest_allowed


def gaussian_one_run_bound(
    canaries: int, guesses: int, right: int, *, confidence: float = 0.95
) -> float:
    r"""The smallest μ that a number of right guesses does not reject.

    A claim of μ-Gaussian privacy says more than one of (ε, δ): it bounds all pairs of error rates
    at once, so right guesses refute it sooner. Let r be the share of canaries that is guessed
    right while at least i guesses are right, and h the share guessed wrong while at least i + 1
    are. The claim gives h ≥ Φ(Φ⁻¹(r) − μ), step by step from i = `right` down to 0. If that many
    right guesses had a probability of 1 − `confidence`, all guesses together would have to be more
    than were made: then the claim is refuted.

    Args:
        canaries: m, the canaries that were in by fair coins.
        guesses: how many guesses were made, a number chosen beforehand.
        right: how many of them were right.
        confidence: of the bound.

    Returns:
        A lower bound on μ, if the mechanism is a Gaussian one; 0 if nothing is refuted.

    Raises:
        ValueError: unless right ≤ guesses ≤ canaries.

    References:
        Mahloujifar, Melis and Chaudhuri, "Auditing f-Differential Privacy in One Run", ICML 2025,
        https://arxiv.org/abs/2410.22235

    Examples:
        >>> print(f"{gaussian_one_run_bound(1000, 100, 90):.2f}")
        0.60
    """
    check_level(0.0, confidence)
    check_guesses(canaries, guesses, right)

    def slack(mu: float) -> float:
        return guesses / canaries - _demanded(canaries, guesses, right, mu, 1 - confidence)

    return smallest_allowed(slack)


def _demanded(canaries: int, guesses: int, right: int, mu: float, probability: float) -> float:
    """The least share of guessed canaries that allows `right` guesses with this probability."""
    hits = probability * right / canaries
    misses = probability * (guesses - right) / canaries
    for i in range(right - 1, -1, -1):
        least = max(misses, float(ndtr(ndtri(hits) - mu)))
        if least == misses:  # nothing changes any more
            break
        # Where exactly i are right, i are right for guesses − i that are wrong.
        hits = min(1.0, hits + i / (guesses - i) * (least - misses))
        misses = least
    return hits + misses
