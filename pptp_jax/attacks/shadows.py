"""The shadows of a target: which of the other models saw an example and which did not."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


class Shadows(NamedTuple):
    """For each model and example, whether the model is an IN or an OUT shadow; never the target."""

    inside: Bool[Array, "models examples"]
    outside: Bool[Array, "models examples"]


def shadows_of(
    signals: Float[Array, "models queries examples"],
    membership: Bool[Array, "models examples"],
    target: Int[Array, ""] | int,
    *,
    inside: int,
    outside: int,
) -> Shadows:
    """Splits the models other than the target, and refuses too few of them.

    Args:
        signals: φ.
        membership: who trained on what.
        target: the model under attack.
        inside: how many IN shadows each example needs.
        outside: how many OUT shadows each example needs.

    Raises:
        ValueError: if the shapes disagree, there is no such target, or an example has too few
            shadows. What JAX is tracing cannot be counted and passes.
    """
    if signals.ndim != 3:
        raise ValueError(
            f"signals must have shape (models, queries, examples), got {signals.shape}"
        )
    models, _, examples = signals.shape
    if membership.shape != (models, examples):
        raise ValueError(
            f"membership must have shape (models, examples) = ({models}, {examples}) to fit "
            f"signals of shape {signals.shape}, got {membership.shape}"
        )
    if not isinstance(target, jax.core.Tracer):
        if not 0 <= int(target) < models:
            raise ValueError(f"target must be one of the models 0 to {models - 1}, got {target}")
        if not isinstance(membership, jax.core.Tracer):
            _check_counts(np.delete(np.asarray(membership), int(target), 0), inside, outside)
    others = (jnp.arange(models) != target)[:, None]
    return Shadows(membership & others, ~membership & others)


def _check_counts(others: Bool[np.ndarray, "models examples"], inside: int, outside: int) -> None:
    for kind, counts, needed in (("IN", others.sum(0), inside), ("OUT", (~others).sum(0), outside)):
        if counts.min() < needed:
            raise ValueError(
                f"this attack needs at least {needed} {kind} shadows for every example, and some "
                f"example has {counts.min()}: train more models"
            )
