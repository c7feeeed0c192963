"""A classifier that learns from shadows to distinguish members' outputs from non-members'.

References:
    Shokri et al., "Membership Inference Attacks Against Machine Learning Models", 2017,
    https://arxiv.org/abs/1610.05820
    Salem et al., "ML-Leaks", 2019, https://arxiv.org/abs/1806.01246
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.membership_network import Training, learned
from pptp_jax.attacks.perceptron import Perceptron
from pptp_jax.validation import AttackUnavailable, one_of

# Log-probabilities below this count as this.
_LEAST = -30.0

Order = Literal["sorted", "raw"]


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
    training = Training(Perceptron((*hidden, 2)), steps, learning_rate, folds, seed)
    return learned(evidence, own, known, labels, features, training)


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
    # The attack does not use classes: one label for all examples.
    labels = np.zeros(known.shape[2], int)
    training = Training(Perceptron((*hidden, 2)), steps, learning_rate, folds, seed)
    return learned(evidence, own, known, labels, _correct_features, training)


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
