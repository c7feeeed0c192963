"""Compare two phases: are they the same training?"""

from typing import Any

import jax
import numpy as np

from pptp_jax.training.phase import Phase


def same_training(one: Phase, other: Phase) -> bool:
    """Whether two phases are the same training; parts of unknown types count as different.

    Equal phases make the same of equal networks, members, keys and optimisers.

    Examples:
        >>> from pptp_jax.objectives import RelaxLoss
        >>> phases = [Phase(epochs=2, objectives=RelaxLoss(alpha=a)) for a in (0.5, 0.5, 1.0)]
        >>> same_training(phases[0], phases[1]), same_training(phases[0], phases[2])
        (True, False)
    """
    structures: list[Any] = [jax.tree.structure(phase) for phase in (one, other)]
    same = structures[0] == structures[1]
    return same and all(map(_same, jax.tree.leaves(one), jax.tree.leaves(other)))


def _same(one: Any, other: Any) -> bool:
    # A number of another type can make a program of another precision.
    if type(one) is not type(other):
        return False
    if isinstance(one, jax.Array | np.ndarray | np.generic):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other)
