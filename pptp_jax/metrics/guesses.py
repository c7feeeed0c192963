"""Guesses of an unknown attribute of a record, compared with those of a control."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.metrics.estimate import Estimate
from pptp_jax.metrics.masked_mean import bootstrap_mean
from pptp_jax.metrics.resamples import Bootstrap
from pptp_jax.validation import Refused, at_least

# Fewer records on either side say next to nothing.
FEWEST = 20


class Guesses(NamedTuple):
    """The shares of right guesses of an attack and a control on the same pairs.

    Attributes:
        attack: the share of the attack's guesses that are right.
        control: that of the control's.
        difference: attack less control, paired.

    Examples:
        >>> one, other = Estimate(0.8, 0.7, 0.9), Estimate(0.5, 0.4, 0.6)
        >>> Guesses(one, other, Estimate(0.3, 0.2, 0.4)).difference.low
        0.2
    """

    attack: Estimate
    control: Estimate
    difference: Estimate


class GuessComparison(NamedTuple):
    """An attack and its control on members and on non-members.

    Attributes:
        members: on pairs in which the target has trained on the record.
        nonmembers: on pairs in which it has not.
        excess: the difference on members less that on non-members: what membership adds, also
            where the control is better or worse than the attack on everybody.

    Examples:
        >>> known = np.arange(80).reshape(1, 80) < 40
        >>> found = compare_guesses(np.ones((1, 80)), np.ones((1, 80)), known)
        >>> found.to_json()["excess"]
        {'value': 0.0, 'low': 0.0, 'high': 0.0}
    """

    members: Guesses
    nonmembers: Guesses
    excess: Estimate

    def to_json(self) -> dict[str, Any]:
        """The estimates by name."""
        sides = {"members": self.members, "nonmembers": self.nonmembers}
        return {
            side: {name: one._asdict() for name, one in guesses._asdict().items()}
            for side, guesses in sides.items()
        } | {"excess": self.excess._asdict()}


def right_share(
    scores: Float[np.ndarray, "*pairs values"], truth: Float[np.ndarray, "*pairs values"]
) -> Float[np.ndarray, "*pairs"]:
    """The probability of a right guess: ties of the highest score are broken at random.

    Without this, equal scores would all go to the first value, and its share would be the result.

    Args:
        scores: of each value; the highest is guessed.
        truth: 1 for the true value and 0 for the others.

    Examples:
        >>> print(right_share(np.array([[3.0, 1.0], [2.0, 2.0]]), np.array([[1.0, 0.0]] * 2)))
        [1.  0.5]
    """
    highest = scores == scores.max(axis=-1, keepdims=True)
    return (highest * truth).sum(axis=-1) / highest.sum(axis=-1)


def compare_guesses(
    right: Float[np.ndarray, "targets examples"],
    control: Float[np.ndarray, "#targets examples"],
    membership: Bool[np.ndarray, "targets examples"],
    *,
    resamples: int = 500,
    seed: int = 0,
) -> GuessComparison:
    """Compares an attack's guesses with a control's, with 95 % intervals.

    All numbers stand on the same resamples of targets and records. Those of a single target are
    resamples of records alone. A difference that is equal in every pair has an interval of no
    width.

    Args:
        right: how probably the attack guesses right, 0 or 1 unless it draws among several values.
        control: the same of the control, in one row if it is equal for all targets; NaN leaves a
            pair out, for the attack too.
        membership: who is a member of which target.
        resamples: the number of bootstrap resamples.
        seed: what the bootstrap depends on.

    Raises:
        ValueError: if a shape differs, or there are fewer than 20 records on either side.

    Examples:
        >>> membership = np.arange(80).reshape(1, 80) < 40
        >>> found = compare_guesses(membership.astype(float), np.full((1, 80), 0.5), membership)
        >>> found.members.difference.value, found.nonmembers.difference.value, found.excess.value
        (0.5, -0.5, 1.0)
    """
    at_least(1, resamples=resamples)
    at_least(0, seed=seed)
    targets, examples = membership.shape
    if right.shape != membership.shape or control.shape not in ((1, examples), membership.shape):
        raise Refused(
            f"the guesses must have shape {membership.shape}, that of the membership, and a "
            f"control's this or {(1, examples)}, got {right.shape} and {control.shape}"
        )
    control = np.broadcast_to(control, right.shape)
    known = np.isfinite(control)
    draws, numbers = Bootstrap(targets, examples, resamples, seed), np.arange(targets)
    sides, differences = [], []
    for side, what in ((membership, "members"), (~membership, "non-members")):
        chosen = side & known
        records = int(chosen.any(axis=0).sum())
        if records < FEWEST:
            raise Refused(
                f"guesses are judged on at least {FEWEST} {what} that the control can guess for, "
                f"got {records}"
            )
        difference = bootstrap_mean(right - control, chosen, draws, numbers)
        # Records, not pairs: guesses for one record by several targets hang together.
        attack, beside = (
            bootstrap_mean(one, chosen, draws, numbers)._replace(trials=records).estimate()
            for one in (right, control)
        )
        sides.append(Guesses(attack, beside, difference.estimate()))
        differences.append(difference)
    inside, outside = differences
    return GuessComparison(sides[0], sides[1], (inside - outside).estimate())
