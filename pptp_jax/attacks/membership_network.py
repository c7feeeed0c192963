"""Attack networks: small classifiers of members' and non-members' signals.

They learn from pairs of a shadow and an example, and never from the target (`folds_of`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, Shaped

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.folds import Folds, Network, fitted, folds_of, scored
from pptp_jax.validation import AttackUnavailable, at_least, positive

_BATCH = 256

# What a network sees of some pairs, from their signal and the examples' labels.
Features = Callable[
    [Float[Array, "batch queries ..."], Int[Array, " batch"]], Float[Array, "batch ..."]
]


class Training(NamedTuple):
    """The training of the networks.

    Attributes:
        network: what it is, with two outputs: the log-odds are their difference.
        steps: how many batches of 256 pairs each learns from.
        learning_rate: that of Adam.
        folds: how many networks share the targets (see `folds_of`).
        seed: what initial values and batches derive from.
    """

    network: Network
    steps: int
    learning_rate: float
    folds: int
    seed: int


class _Given(NamedTuple):
    """The training signals of the networks, and the signals that they score.

    Attributes:
        own: the targets' signal.
        known: the shadows' signal.
        members: which pairs are of members.
        labels: the labels of all examples.
        attacked: the labels of those under attack.
    """

    own: Shaped[Array, "targets queries attacked ..."]
    known: Shaped[Array, "shadows queries examples ..."]
    members: Bool[Array, "shadows examples"]
    labels: Int[Array, " examples"]
    attacked: Int[Array, " attacked"]


def learned(
    evidence: Evidence,
    own: Shaped[Array, "targets queries attacked ..."],
    known: Shaped[Array, "shadows queries examples ..."],
    labels: Int[np.ndarray, " examples"],
    features: Features,
    training: Training,
) -> Float[Array, "targets attacked"]:
    """The log-odds of membership by networks that learn from the shadows.

    Members and non-members of each class weigh alike.

    Args:
        evidence: whose membership is learned.
        own: the targets' signal.
        known: the shadows' signal, on all examples.
        labels: the examples' classes; all 0 where the attack does not use them.
        features: what the networks see of it.
        training: how they are trained.

    Raises:
        AttackUnavailable: if some target has no shadow with both members and non-members.
    """
    network, steps, learning_rate, folds, seed = training
    at_least(1, steps=steps, folds=folds)
    positive(learning_rate=learning_rate)
    dealt = folds_of(evidence, folds)
    attacked = labels if evidence.examples is None else labels[evidence.examples]
    given = _Given(
        own=own,
        known=known,
        members=jnp.asarray(evidence.shadow_membership(all_examples=True)),
        labels=jnp.asarray(labels),
        attacked=jnp.asarray(attacked),
    )
    classes = int(labels.max()) + 1
    return _run(features, network, steps, classes, given, dealt, learning_rate, seed)


def learned_of_others(
    evidence: Evidence,
    own: Float[Array, "targets attacked numbers"],
    known: Float[Array, "shadows examples numbers"],
    training: Training,
) -> Float[np.ndarray, "targets attacked"]:
    """The log-odds of membership by networks that judge no example that they learn from.

    One network learns from every second example and judges those between, another the other way
    round. A network that knows an example by its signal sees how many of the other shadows have it,
    and in a balanced fleet that gives the target's membership away. Each number of the signal is
    standardised by what the network learns from.

    Args:
        evidence: whose membership is learned.
        own: the targets' signal.
        known: the shadows' signal, on all examples.
        training: how the networks are trained.

    Raises:
        AttackUnavailable: if some target has no shadow with both members and non-members.
    """
    network, steps, learning_rate, folds, seed = training
    at_least(1, steps=steps, folds=folds)
    positive(learning_rate=learning_rate)
    dealt, members = folds_of(evidence, folds), evidence.shadow_membership(all_examples=True)
    rows = np.arange(members.shape[1])
    attacked = rows if evidence.examples is None else np.asarray(evidence.examples)
    found = np.empty((len(own), len(attacked)))
    for part in (0, 1):
        seen, judged = rows[rows % 2 != part], np.flatnonzero(attacked % 2 == part)
        if not len(judged):
            continue
        if not len(seen):
            raise AttackUnavailable("this attack learns from other examples, and there is only one")
        teaching = known[:, seen]
        mean = teaching.mean(axis=(0, 1), keepdims=True)
        deviation = teaching.std(axis=(0, 1), keepdims=True)
        unit = jnp.where(deviation > 0, deviation, 1.0)
        given = _Given(
            own=((own[:, judged] - mean) / unit)[:, None],
            known=((teaching - mean) / unit)[:, None],
            members=jnp.asarray(members[:, seen]),
            labels=jnp.zeros(len(seen), int),
            attacked=jnp.zeros(len(judged), int),
        )
        found[:, judged] = _run(_flat, network, steps, 1, given, dealt, learning_rate, seed)
    return found


def _flat(signal: Float[Array, "batch 1 numbers"], labels: Any) -> Float[Array, "batch numbers"]:
    return signal[:, 0]


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _run(
    features: Features,
    network: Network,
    steps: int,
    classes: int,
    given: _Given,
    folds: Folds,
    learning_rate: float,
    seed: int,
) -> Float[Array, "targets attacked"]:
    known, members, labels = given.known, given.members, given.labels

    def draw(
        key: Key[Array, ""], own: Bool[Array, " shadows"]
    ) -> tuple[Array, tuple[Array, Array]]:
        pick_shadow, pick_example = jax.random.split(key)
        rows = jax.random.categorical(pick_shadow, jnp.where(own, 0.0, -jnp.inf), shape=(_BATCH,))
        columns = jax.random.randint(pick_example, (_BATCH,), 0, len(labels))
        weights = _weights(members, labels, own, classes)
        member = members[rows, columns]
        weight = weights[labels[columns], member.astype(jnp.int32)]
        found = features(jnp.moveaxis(known, 2, 1)[rows, columns], labels[columns])
        return found, (member, weight)

    def loss(found: Float[Array, "batch 2"], batch: tuple[Array, Array]) -> Float[Array, ""]:
        member, weight = batch
        odds = found[:, 1] - found[:, 0]
        return (weight * jax.nn.softplus(jnp.where(member, -odds, odds))).mean()

    params = fitted(
        network,
        loss,
        draw,
        folds.teachers,
        steps=steps,
        learning_rate=learning_rate,
        seed=seed,
    )

    def score(params: PyTree, signal: Array) -> Float[Array, " attacked"]:
        found = network.outputs(params, features(jnp.moveaxis(signal, 1, 0), given.attacked))
        return found[:, 1] - found[:, 0]

    return scored(score, params, folds.of_target, given.own)


def _weights(
    members: Bool[Array, "shadows examples"],
    labels: Int[Array, " examples"],
    teachers: Bool[Array, " shadows"],
    classes: int,
) -> Float[Array, "classes 2"]:
    """The weight of a pair by class and membership; 0 where a class has only one of the two."""
    pairs = jnp.where(teachers[:, None], members, False).sum(axis=0)
    inside = jnp.zeros(classes, jnp.int32).at[labels].add(pairs)
    every = jnp.zeros(classes, jnp.int32).at[labels].add(teachers.sum())
    counts = jnp.stack([every - inside, inside], axis=1).astype(jnp.float32)
    both = (counts > 0).all(axis=1, keepdims=True)
    return jnp.where(both, counts.sum(axis=1, keepdims=True) / (2 * jnp.maximum(counts, 1)), 0.0)
