"""How many shadows each example has, and a refusal where some have too few."""

from typing import Literal

import numpy as np
from jaxtyping import Int

from pptp_jax.validation import AttackUnavailable

# How many examples a message names.
_NAMED = 5


def check_shadow_counts(
    counts: Int[np.ndarray, " attacked"],
    kind: Literal["IN", "OUT"],
    *,
    at_least: int,
    examples: Int[np.ndarray, " attacked"],
    leaves_out: bool,
) -> None:
    """Refuses an attack for which some example has too few shadows.

    Args:
        counts: how many shadows of this kind each example has, whichever target is left out.
        kind: those that trained on it, or those that did not.
        at_least: how many each example needs.
        examples: the examples' numbers.
        leaves_out: whether targets are shadows of each other, so that one is left out each time.

    Raises:
        AttackUnavailable: naming the first of the examples, how many there are, and a remedy.

    Examples:
        >>> counts, examples = np.array([3, 0, 2]), np.array([4, 7, 9])
        >>> check_shadow_counts(counts, "IN", at_least=2, examples=examples, leaves_out=False)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.AttackUnavailable: this attack needs at least 2 IN shadows for every ...
    """
    few = np.flatnonzero(counts < at_least)
    if not len(few):
        return
    shadows = f"{kind} shadow{'s' * (at_least != 1)}"
    needs = f"this attack needs at least {at_least} {shadows} for every example"
    apart = " besides the target" if leaves_out else ""
    most, fewest = int(counts[few].max()), int(counts[few].min())
    if len(few) == len(counts):
        has = f"more than {most}" if most else "any"
        raise AttackUnavailable(f"{needs}, and none has {has}{apart}: train more models")
    named = ", ".join(map(str, examples[few[:_NAMED]])) + (", ..." if len(few) > _NAMED else "")
    has = f"{most}" if most == fewest else f"{fewest} to {most}"
    raise AttackUnavailable(
        f"{needs}, and {len(few)} of {len(counts)} {'has' if len(few) == 1 else 'have'} only {has}"
        f"{apart} (number {named}): leave these examples out, or train more models"
    )
