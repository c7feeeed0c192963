"""A network that learns from shadows to tell members' outputs from non-members'.

References:
    Shokri et al., "Membership Inference Attacks Against Machine Learning Models", 2017,
    https://arxiv.org/abs/1610.05820
    Salem et al., "ML-Leaks", 2019, https://arxiv.org/abs/1806.01246
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.folds import Folds, fitted, folds_of, scored
from pptp_jax.attacks.perceptron import Layer, outputs
from pptp_jax.validation import AttackUnavailable, at_least, one_of, positive

_BATCH = 256
# Log-probabilities below this count as this.
_LEAST = -30.0

Order = Literal["sorted", "raw"]
Features = Callable[
    [Float[Array, "batch queries ..."], Int[Array, " batch"]], Float[Array, "batch features"]
]


def shadow_network(
    evidence: Evidence,
    *,
    order: Order = "sorted",
    hidden: Sequence[int] = (64,),
    steps: int = 1000,
    learning_rate: float = 3e-3,
    folds: int = 4,
    seed: int = 0,
) -> Float[Array, "targets attacked"]:
    """The log-odds of membership by a network that reads the output and the label.

    It reads the log-probabilities of every query and the label, one-hot. Members and non-members of
    each class weigh alike, so that nothing is learned of how many members a class has: in a
    balanced fleet that would tell of the target's.

    Args:
        evidence: with logits and labels.
        order: `sorted`: the label's probability first, then those of the other classes in falling
            order; or `raw`: as the classes come.
        hidden: the widths of the hidden layers.
        steps: how many batches of 256 pairs each network learns from.
        learning_rate: that of Adam.
        folds: how many networks share the targets (see `folds_of`).
        seed: what initial values and batches derive from.

    Raises:
        AttackUnavailable: if some target has no shadow with both members and non-members.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> membership = np.arange(4)[:, None] % 2 == np.arange(40)[None] % 2
        >>> logits = rng.normal(size=(4, 1, 40, 2))
        >>> logits[:, 0, :, 0] += 5 * membership
        >>> evidence = Evidence.leave_one_out(
        ...     signals={"logits": np.float32(logits)},
        ...     membership=membership,
        ...     labels=np.zeros(40, int),
        ... )
        >>> scores = shadow_network(evidence, steps=50)
        >>> bool(scores[membership].mean() > scores[~membership].mean())
        True
    """
    one_of(("sorted", "raw"), order=order)
    labels = evidence.require("labels", all_examples=True)
    own, known = (
        evidence.target_signal("logits"),
        evidence.shadow_signal("logits", all_examples=True),
    )
    features = partial(_output_features, order, known.shape[-1])
    training = _Training(tuple(hidden), steps, learning_rate, folds, seed)
    return _learned(evidence, own, known, labels, features, training)


def augmentation(
    evidence: Evidence,
    *,
    hidden: Sequence[int] = (10, 10),
    steps: int = 1000,
    learning_rate: float = 3e-3,
    folds: int = 4,
    seed: int = 0,
) -> Float[Array, "targets attacked"]:
    """The log-odds of membership by a network that reads for which queries the label is right.

    Label-only: the queries are the example and its augmented forms, and of each answer nothing but
    the predicted class is seen.

    Args:
        evidence: with `correct`, or logits and labels, of at least two queries.
        hidden: the widths of the hidden layers, two of ten as published.
        steps: how many batches of 256 pairs each network learns from.
        learning_rate: that of Adam.
        folds: how many networks share the targets (see `folds_of`).
        seed: what initial values and batches derive from.

    Raises:
        AttackUnavailable: if there is but one query, or some target has no shadow with both members
            and non-members.

    References:
        Choquette-Choo et al., "Label-Only Membership Inference Attacks", ICML 2021,
        https://arxiv.org/abs/2007.14321

    Examples:
        >>> membership = np.arange(4)[:, None] % 2 == np.arange(40)[None] % 2
        >>> correct = np.stack([np.ones_like(membership), membership], axis=1)
        >>> evidence = Evidence.leave_one_out({"correct": correct}, membership)
        >>> scores = augmentation(evidence, steps=50)
        >>> bool(scores[membership].mean() > scores[~membership].mean())
        True
    """
    own, known = (
        evidence.target_signal("correct"),
        evidence.shadow_signal("correct", all_examples=True),
    )
    if own.shape[1] < 2:
        raise AttackUnavailable(
            "this attack reads the answers to several queries, and there is only one"
        )
    # No class is told, so that all weigh as one.
    labels = np.zeros(known.shape[2], int)
    training = _Training(tuple(hidden), steps, learning_rate, folds, seed)
    return _learned(evidence, own, known, labels, _correct_features, training)


def _output_features(
    order: Order,
    classes: int,
    logits: Float[Array, "batch queries classes"],
    labels: Int[Array, " batch"],
) -> Float[Array, "batch features"]:
    log_p = jnp.maximum(jax.nn.log_softmax(logits), _LEAST)
    label = jax.nn.one_hot(labels, classes)
    if order == "sorted":
        first = jnp.where(label[:, None] > 0, -jnp.inf, -log_p)
        log_p = jnp.take_along_axis(log_p, jnp.argsort(first, axis=-1), axis=-1)
    return jnp.concatenate([log_p.reshape(len(log_p), -1), label], axis=1)


def _correct_features(
    correct: Bool[Array, "batch queries"], labels: Int[Array, " batch"]
) -> Float[Array, "batch queries"]:
    return correct.astype(jnp.float32)


class _Training(NamedTuple):
    """How the networks are trained; see `shadow_network`."""

    hidden: tuple[int, ...]
    steps: int
    learning_rate: float
    folds: int
    seed: int


class _Given(NamedTuple):
    """What the networks learn from, and what they judge.

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


def _learned(
    evidence: Evidence,
    own: Float[Array, "targets queries attacked ..."],
    known: Float[Array, "shadows queries examples ..."],
    labels: Int[np.ndarray, " examples"],
    features: Features,
    training: _Training,
) -> Float[Array, "targets attacked"]:
    hidden, steps, learning_rate, folds, seed = training
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
    return _run(features, hidden, steps, classes, given, dealt, learning_rate, seed)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _run(
    features: Features,
    hidden: tuple[int, ...],
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
        (*hidden, 2),
        loss,
        draw,
        folds.teachers,
        steps=steps,
        learning_rate=learning_rate,
        seed=seed,
    )

    def score(params: list[Layer], signal: Array) -> Float[Array, " attacked"]:
        found = outputs(params, features(jnp.moveaxis(signal, 1, 0), given.attacked))
        return found[:, 1] - found[:, 0]

    return scored(score, params, folds.of_target, given.own)


def _weights(
    members: Bool[Array, "shadows examples"],
    labels: Int[Array, " examples"],
    teachers: Bool[Array, " shadows"],
    classes: int,
) -> Float[Array, "classes 2"]:
    """What a pair weighs by its class and membership; 0 where a class has but one of the two."""
    pairs = jnp.where(teachers[:, None], members, False).sum(axis=0)
    inside = jnp.zeros(classes, jnp.int32).at[labels].add(pairs)
    every = jnp.zeros(classes, jnp.int32).at[labels].add(teachers.sum())
    counts = jnp.stack([every - inside, inside], axis=1).astype(jnp.float32)
    both = (counts > 0).all(axis=1, keepdims=True)
    return jnp.where(both, counts.sum(axis=1, keepdims=True) / (2 * jnp.maximum(counts, 1)), 0.0)
