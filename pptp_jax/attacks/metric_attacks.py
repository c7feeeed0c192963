"""Attacks by one number that is computed from the target's output alone.

References:
    Song and Mittal, "Systematic Evaluation of Privacy Risks of Machine Learning Models", 2021,
    https://arxiv.org/abs/2003.10595
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.query_mean import mean_probability
from pptp_jax.attacks.thresholds import class_thresholds
from pptp_jax.tasks import Signal

# Where the published code cuts probabilities off before it takes their logarithm.
_LEAST = 1e-30


def confidence(evidence: Evidence, *, per_class: bool = False) -> Float[Array, "targets attacked"]:
    """The probability p of the label, averaged over the queries.

    It is given as log(p/(1 − p)): that ranks alike, and tells apart what float32 rounds to 1.

    Args:
        evidence: with φ.
        per_class: measures from a threshold for each class, chosen on the shadows.

    Raises:
        AttackUnavailable: with thresholds, if no shadow has both members and non-members.

    Examples:
        >>> import numpy as np
        >>> phi, membership = np.zeros((1, 1, 1), np.float32), np.array([[True]])
        >>> print(confidence(Evidence.leave_one_out({"confidence": phi}, membership)))
        [[0.]]
    """
    own = mean_probability(evidence.target_signal("confidence"))
    if not per_class:
        return own
    known = mean_probability(evidence.shadow_signal("confidence", all_examples=True))
    return _from_thresholds(evidence, own, known)


def entropy(evidence: Evidence, *, per_class: bool = False) -> Float[Array, "targets attacked"]:
    """−H(p), the negated entropy of the output, averaged over the queries; no label is looked at.

    Args:
        evidence: with logits and labels.
        per_class: measures from a threshold for each class, chosen on the shadows.

    Raises:
        AttackUnavailable: with thresholds, if no shadow has both members and non-members.

    Examples:
        >>> import numpy as np
        >>> evidence = Evidence.leave_one_out(
        ...     signals={"logits": np.zeros((1, 1, 1, 2), np.float32)},
        ...     membership=np.array([[True]]),
        ...     labels=np.array([0]),
        ... )
        >>> print(entropy(evidence))
        [[-0.6931472]]
    """
    return _scores(evidence, NEGATED_ENTROPY, per_class)


def modified_entropy(
    evidence: Evidence, *, per_class: bool = True
) -> Float[Array, "targets attacked"]:
    """−Mentr = (1 − p_y) log p_y + Σ_{i≠y} p_i log(1 − p_i), averaged over the queries.

    Args:
        evidence: with logits and labels.
        per_class: measures from a threshold for each class, chosen on the shadows, as published.

    Raises:
        AttackUnavailable: with thresholds, if no shadow has both members and non-members.

    Examples:
        >>> import numpy as np
        >>> evidence = Evidence.leave_one_out(
        ...     signals={"logits": np.zeros((1, 1, 1, 2), np.float32)},
        ...     membership=np.array([[True]]),
        ...     labels=np.array([0]),
        ... )
        >>> print(modified_entropy(evidence, per_class=False))
        [[-0.6931472]]
    """
    return _scores(evidence, NEGATED_MODIFIED_ENTROPY, per_class)


def correctness(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """Whether the prediction is the label: the share of the queries for which it is.

    Args:
        evidence: with `correct`, or logits and labels.

    References:
        Yeom et al., "Privacy Risk in Machine Learning", 2018, https://arxiv.org/abs/1709.01604

    Examples:
        >>> import numpy as np
        >>> correct, membership = np.array([[[True, False]]]), np.array([[True, False]])
        >>> print(correctness(Evidence.leave_one_out({"correct": correct}, membership)))
        [[1. 0.]]
    """
    return evidence.target_signal("correct").astype(jnp.float32).mean(axis=1)


def _scores(
    evidence: Evidence, signal: Signal, per_class: bool
) -> Float[Array, "targets attacked"]:
    own = evidence.target_signal(signal).mean(axis=1)
    if not per_class:
        return own
    known = evidence.shadow_signal(signal, all_examples=True).mean(axis=1)
    return _from_thresholds(evidence, own, known)


def _from_thresholds(
    evidence: Evidence,
    own: Float[Array, "targets attacked"],
    known: Float[Array, "shadows examples"],
) -> Float[Array, "targets attacked"]:
    thresholds = class_thresholds(
        np.asarray(known),
        evidence.shadow_membership(all_examples=True),
        evidence.require("labels", all_examples=True),
        evidence.target_among_shadows,
    )
    labels = evidence.require("labels")
    return own - jnp.asarray(thresholds.astype(own.dtype)[:, labels])


@jax.jit
def _negated_entropy(
    logits: Float[Array, "models queries examples classes"], labels: Int[Array, " examples"]
) -> Float[Array, "models queries examples"]:
    log_p = jax.nn.log_softmax(logits)
    return (jnp.exp(log_p) * jnp.maximum(log_p, jnp.log(_LEAST))).sum(axis=-1)


@jax.jit
def _negated_modified_entropy(
    logits: Float[Array, "models queries examples classes"], labels: Int[Array, " examples"]
) -> Float[Array, "models queries examples"]:
    log_p = jax.nn.log_softmax(logits)
    p = jnp.exp(log_p)
    label = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)[None, None]
    # 1 − p of the label, summed from the others so that nothing is lost where p is next to 1.
    rest = jnp.where(label, 0, p).sum(axis=-1, keepdims=True)
    least = jnp.log(_LEAST)
    of_label = rest * jnp.maximum(log_p, least)
    of_others = p * jnp.maximum(jnp.log1p(-jnp.where(label, 0, p)), least)
    return jnp.where(label, of_label, of_others).sum(axis=-1)


NEGATED_ENTROPY, NEGATED_MODIFIED_ENTROPY = (
    Signal(name=name, axes=("models", "queries", "examples"), access="scores", derive=function)
    for name, function in (
        ("negated_entropy", _negated_entropy),
        ("negated_modified_entropy", _negated_modified_entropy),
    )
)
