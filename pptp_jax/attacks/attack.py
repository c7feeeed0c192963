"""What every attack is, and running one against several targets."""

from collections.abc import Sequence
from typing import Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


class Attack(Protocol):
    """A pure function from signals and membership to one score an example."""

    def __call__(
        self,
        signals: Float[Array, "models queries examples"],
        membership: Bool[Array, "models examples"],
        target: Int[Array, ""] | int,
    ) -> Float[Array, " examples"]:
        """The scores of one target."""
        ...


def attack_targets(
    attack: Attack,
    signals: Float[np.ndarray, "models queries examples"],
    membership: Bool[np.ndarray, "models examples"],
    targets: Sequence[int],
    shadows: Sequence[int] | None = None,
    *,
    unaware: Float[np.ndarray, "models queries examples"] | None = None,
) -> Float[np.ndarray, "targets examples"]:
    """Attacks several models in turn.

    Args:
        attack: the attack.
        signals: φ.
        membership: who trained on what.
        targets: the models under attack.
        shadows: the models that may help; None means all. A target never helps against itself, and
            targets that are not among the shadows do not help against each other.

        unaware: signals of other models with the same members, trained by another recipe, which
            take the place of all shadows. This is an attacker who does not know the defence: what
            it fails to find is no evidence of privacy. None, as it should be, lets shadows be
            models of the target's own recipe.

    Raises:
        ValueError: if the attack refuses, for example because of too few shadows, or the signals
            of an unaware attacker have another shape.

    Examples:
        >>> from pptp_jax import attacks
        >>> membership = np.array([[True, False], [False, True]])
        >>> signals = np.array([[[4.0, 1.0]], [[0.0, 5.0]]], np.float32)
        >>> attack_targets(attacks.loss, signals, membership, targets=[0, 1]).argmax(axis=1)
        array([0, 1])
    """
    if unaware is not None and unaware.shape != signals.shape:
        raise ValueError(
            f"an unaware attacker's signals must have the shape of the targets' own, "
            f"{signals.shape}, got {unaware.shape}"
        )
    known = signals if unaware is None else unaware
    every = list(range(len(signals)) if shadows is None else shadows)
    scores = []
    for target in targets:
        rows = every if target in every else [target, *every]
        at = rows.index(target)
        seen = jnp.asarray(known[rows]).at[at].set(signals[target])
        scores.append(attack(seen, jnp.asarray(membership[rows]), at))
    return np.asarray(jnp.stack(scores))
