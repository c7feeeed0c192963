"""The control of a guess: models of the fleet that did not train on the record."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.audit.user_signals import given_signals
from pptp_jax.metrics import out_confidence


class Judged(NamedTuple):
    """Guesses of the models under attack, and of their control.

    Attributes:
        right: how probably each target guesses right.
        membership: who is a member of which target.
        control: the mean over OUT models other than the target; NaN without any.
    """

    right: Float[np.ndarray, "targets examples"]
    membership: Bool[np.ndarray, "targets examples"]
    control: Float[np.ndarray, "targets examples"]


def judged_by_out_models(
    right: Float[np.ndarray, "models examples"],
    membership: Bool[np.ndarray, "*models examples"],
    targets: Sequence[int] | None = None,
    shadows: Sequence[int] | None = None,
) -> Judged:
    """Each target beside single models that did not train on the record.

    Args:
        right: how probably each model guesses right.
        membership: who trained on what, (models, examples), or (examples,) of one model.
        targets: the models under attack; None for all.
        shadows: the models that may be a control; None for all.

    Raises:
        ValueError: if membership, targets or shadows do not fit.

    Examples:
        >>> membership = np.array([[True, False]] * 2 + [[False, True]] * 2)
        >>> right = np.array([[1.0, 0.5], [1.0, 0.0], [0.0, 1.0], [0.5, 1.0]])
        >>> print(judged_by_out_models(right, membership, targets=[0, 2]).control)
        [[0.25 0.  ]
         [0.5  0.25]]
    """
    # Guesses are no signal, but they have the shape of one, and what is wrong is said alike.
    losses = 1 - right[:, None]
    handed = given_signals({"losses": losses}, membership, targets=targets, shadows=shadows)
    idle = ~np.isin(np.arange(len(handed.membership)), handed.shadows)
    known = handed.membership | idle[:, None]
    control = out_confidence(right, known, handed.targets)
    return Judged(right[handed.targets], handed.membership[handed.targets], control)
