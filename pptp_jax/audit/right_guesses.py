"""The guesses of one run, and the smallest parameter that their number allows."""

from collections.abc import Callable

from scipy.optimize import brentq

from pptp_jax.validation import Refused, at_least


def check_guesses(canaries: int, guesses: int, right: int) -> None:
    """Refuses numbers of guesses that one run cannot have."""
    at_least(1, canaries=canaries, guesses=guesses)
    at_least(0, right=right)
    if not right <= guesses <= canaries:
        raise Refused(
            f"needs right ≤ guesses ≤ canaries, got {right} right of {guesses} guesses on "
            f"{canaries} canaries"
        )


def smallest_allowed(slack: Callable[[float], float]) -> float:
    """Finds where a rising function reaches 0; 0 if it is not below 0 there.

    Examples:
        >>> smallest_allowed(lambda epsilon: epsilon - 3), smallest_allowed(lambda epsilon: 1.0)
        (3.0, 0.0)
    """
    if slack(0.0) >= 0:
        return 0.0
    high = 1.0
    while slack(high) < 0:
        high *= 2
    return float(brentq(slack, 0.0, high))
