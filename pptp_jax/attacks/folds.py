"""Folds of attack networks: small networks, trained on shadows and never on the target.

A network serves several targets and is trained on none of them: targets that are shadows as well
are dealt into a few folds, and each fold has a network that is trained on all other shadows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.validation import AttackUnavailable

# A pair of a shadow and an example, as arrays that a batch is made of.
Batch = Any


class Network(Protocol):
    """A kind of network: hashable, so that equal ones are compiled once."""

    def begin(self, key: Key[Array, ""], shape: tuple[int, ...]) -> PyTree:
        """Initial values, for features of a shape."""
        ...

    def outputs(
        self, params: PyTree, features: Float[Array, "batch ..."]
    ) -> Float[Array, "batch outputs"]:
        """The outputs of the network."""
        ...


class Folds(NamedTuple):
    """The fold of each target, and the shadows that each fold learns from.

    Attributes:
        of_target: the fold of each target.
        teachers: which shadows each fold learns from.
    """

    of_target: Int[Array, " targets"]
    teachers: Bool[Array, "folds shadows"]


def folds_of(evidence: Evidence, folds: int) -> Folds:
    """Deals the targets into folds; targets that are no shadows learn from all of them.

    Args:
        evidence: what is held.
        folds: how many folds there are at most.

    Raises:
        AttackUnavailable: if a fold is left without a shadow that has both members and non-members.

    Examples:
        >>> membership = np.array([[True, False], [False, True], [True, False]])
        >>> evidence = Evidence.leave_one_out({}, membership, targets=[0, 2])
        >>> folds_of(evidence, 4).teachers.tolist()
        [[False, True, True], [True, True, False]]
    """
    itself, shadows = evidence.target_among_shadows, len(evidence.membership)
    inner = np.flatnonzero(itself >= 0)
    count = max(1, min(folds, len(inner)))
    of_target = np.zeros(len(itself), int)
    of_target[inner] = np.arange(len(inner)) % count
    teachers = np.ones((count, shadows), bool)
    teachers[of_target[inner], itself[inner]] = False
    members = evidence.shadow_membership(all_examples=True)
    both = members.any(axis=1) & ~members.all(axis=1)
    if not (teachers & both).any(axis=1).all():
        raise AttackUnavailable(
            "this attack learns from shadows that have members and non-members among the examples, "
            "and some target has none: train more models"
        )
    return Folds(jnp.asarray(of_target), jnp.asarray(teachers & both))


def fitted(
    network: Network,
    loss: Callable[[Float[Array, "batch outputs"], Batch], Float[Array, ""]],
    draw: Callable[
        [Key[Array, ""], Bool[Array, " shadows"]], tuple[Float[Array, "batch ..."], Batch]
    ],
    teachers: Bool[Array, "folds shadows"],
    *,
    steps: int,
    learning_rate: float,
    seed: int,
) -> PyTree:
    """Trains a network for each fold by Adam, all side by side, on batches drawn afresh.

    Args:
        network: what is trained.
        loss: of its outputs on a batch.
        draw: a batch of features, and what the loss looks at, from some shadows.
        teachers: the shadows of each fold.
        steps: how many batches.
        learning_rate: falls to 0 along a cosine.
        seed: what initial values and batches derive from.

    Returns:
        The parameters, stacked by fold.
    """

    def rate(step: Int[Array, ""]) -> Float[Array, ""]:
        return learning_rate * (1 + jnp.cos(jnp.pi * step.astype(jnp.float32) / steps)) / 2

    optimizer = optax.adam(rate)

    def of_fold(key: Key[Array, ""], own: Bool[Array, " shadows"]) -> PyTree:
        start, run = jax.random.split(key)
        params = network.begin(start, draw(start, own)[0].shape[1:])

        def value(params: PyTree, features: Float[Array, "batch ..."], batch: Batch) -> Array:
            return loss(network.outputs(params, features), batch)

        def step(carry: Any, key: Key[Array, ""]) -> tuple[Any, None]:
            params, state = carry
            gradients = jax.grad(value)(params, *draw(key, own))
            # Adam takes a float to the power of the step, an integer.
            with jax.numpy_dtype_promotion("standard"):
                updates, state = optimizer.update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), None

        begin = (params, optimizer.init(params))
        (params, _), _ = jax.lax.scan(step, begin, jax.random.split(run, steps))
        return params

    keys = jax.random.split(jax.random.key(seed), len(teachers))
    return jax.vmap(of_fold)(keys, teachers)


def scored(
    score: Callable[..., Float[Array, " examples"]],
    params: PyTree,
    of_target: Int[Array, " targets"],
    own: Float[Array, "targets ..."],
) -> Float[Array, "targets examples"]:
    """Scores every target by the network of its fold.

    Args:
        score: of a network's parameters and a target's signal.
        params: stacked by fold.
        of_target: the fold of each target.
        own: the targets' signal.
    """

    def of_one(target: tuple[Int[Array, ""], Array]) -> Float[Array, " examples"]:
        fold, signal = target
        return score(jax.tree.map(lambda leaf: leaf[fold], params), signal)

    return jax.lax.map(of_one, (of_target, own))
