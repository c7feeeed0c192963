"""Refuse phases with trained parameters that never move."""

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Int

from pptp_jax.regions import paths
from pptp_jax.training.batched_programs import GroupRules
from pptp_jax.training.phase import Phase
from pptp_jax.training.phase_transform import transform
from pptp_jax.training.unread import unread
from pptp_jax.validation import Refused


def sums(params: Any) -> list[Int[np.ndarray, " models"]]:
    """A checksum of each model's values of each leaf, in the order of the leaves.

    Args:
        params: the parameters of models, stacked.

    Examples:
        >>> [found] = sums({"w": np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0]])})
        >>> bool(found[0] == found[1]), bool(found[0] == found[2])
        (True, False)
    """
    return [
        np.array([zlib.crc32(_bytes(own)) for own in np.asarray(leaf)])
        for leaf in jax.tree.leaves(params)
    ]


def _bytes(array: Any) -> memoryview:
    return np.ascontiguousarray(array).view(np.uint8).data


def check_moved(
    rules: GroupRules,
    phase: Phase,
    before: list[Int[np.ndarray, " models"]],
    params: Any,
    x: Any,
) -> None:
    """Refuses a phase that trains a parameter which cannot move.

    Only what has moved in none of the models is looked at, while others have moved. It is refused
    if no output of the model depends on it, or if the optimiser gives it no update for a gradient
    of ones. What is left stands for a reason of its own: a gradient of zero (dead units), or one
    below the rounding of the values (the bias of an attention's keys, or before a batch norm).

    Args:
        rules: how the models are trained.
        phase: the phase that has ended.
        before: the sums as it began.
        params: the parameters of the models, stacked, as it ends.
        x: the shape of a batch of inputs.

    Raises:
        ValueError: naming the parameters and the reason.
    """
    model, regions = rules.trainer.model, rules.trainer.regions
    exempt = {*phase.frozen, *phase.perturbed}
    names, leaves = paths(params), jax.tree.leaves(params)
    labels = names if regions is None else jax.tree.leaves(regions.labels(params))
    same = [(a == b).all() for a, b in zip(before, sums(params), strict=True)]
    trained = [
        label not in exempt and leaf.size > 0 for label, leaf in zip(labels, leaves, strict=True)
    ]
    still = [n for n, t, s in zip(names, trained, same, strict=True) if t and s]
    if not still or len(still) == sum(trained) or phase.rewound_weights is not None:
        return
    without = {
        "no output of the model depends on it": unread(model, x),
        "the optimizer gives it no update": _without_update(rules, phase, params),
    }
    for reason, found in without.items():
        stuck = [name for name in still if name in found]
        if stuck:
            raise Refused(
                f"{', '.join(stuck)}: trained, and moved in none of the models, because {reason}; "
                "let it move, or freeze it as a region that the phase names in `frozen`"
            )


def _without_update(rules: GroupRules, phase: Phase, params: Any) -> set[str]:
    """The parameters of a first model that stay where the gradient is one everywhere."""
    first = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), params)
    tx = transform(rules.optimizer, phase, 1, rules.trainer.regions, None, 1)
    updates, _ = tx.update(
        optax.tree.ones_like(first), tx.init(first), first, key=jax.random.key(0)
    )
    moves = [bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(updates)]
    return {n for n, m in zip(paths(first), moves, strict=True) if not m} if any(moves) else set()
