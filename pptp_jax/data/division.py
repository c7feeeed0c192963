"""Divide the examples for attack, for tuning, and for reference."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from pptp_jax.validation import Refused, at_least, fraction


class Division(NamedTuple):
    """The rows of a data set in three parts that share none; a rest too small for either is idle.

    Attributes:
        evaluated: what models train on and attacks are judged by.
        tuning: what choices are made on, such as the region `auto`; never part of a final number.
        reference: what no model has as a member, and every defence may look at.
    """

    evaluated: Int[np.ndarray, " evaluated"]
    tuning: Int[np.ndarray, " tuning"]
    reference: Int[np.ndarray, " reference"]


def divide(examples: int, *, reference: int, tuning: float, multiple: int, seed: int) -> Division:
    """Divides a data set at random; the same for the same seed.

    Args:
        examples: how many there are.
        reference: how many are set aside for defences.
        tuning: the share of the others that is set aside for tuning, from 0 to below 1.
        multiple: what the sizes of the other two parts must be divisible by.
        seed: what the division depends on.

    Raises:
        ValueError: if too few are left.

    Examples:
        >>> parts = divide(100, reference=10, tuning=0.5, multiple=4, seed=0)
        >>> [len(part) for part in parts]
        [44, 44, 10]
    """
    at_least(0, reference=reference)
    fraction(tuning=tuning)
    if not 0 <= tuning < 1:
        raise Refused(f"tuning must be a share from 0 to below 1, got {tuning}")
    others = examples - reference
    aside = int(others * tuning) // multiple * multiple
    kept = (others - aside) // multiple * multiple
    if kept < multiple or (tuning > 0 and aside < multiple):
        raise Refused(
            f"{examples} examples are too few to set {reference} aside as a reference and a share "
            f"of {tuning:g} for tuning, where a split needs at least {multiple}"
        )
    if kept == examples:
        return Division(np.arange(examples), np.arange(0), np.arange(0))
    order = np.random.default_rng(seed).permutation(examples)
    bounds = np.cumsum([kept, aside, reference])
    return Division(*(np.sort(part) for part in np.split(order, bounds)[:3]))
