"""Signals: what an attacker sees of a trained model, one number an example and query."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from pptp_jax.models import Model, Variables
from pptp_jax.release import Release
from pptp_jax.training import Arrays


class Signals(NamedTuple):
    """What is kept of a model once it is gone.

    Attributes:
        confidence: φ, the logit-scaled confidence in the label.
        correct: whether the first query's prediction is the label.
    """

    confidence: Float[Array, "queries examples"]
    correct: Bool[Array, " examples"]


def logit_scaled_confidence(
    logits: Float[Array, "*batch classes"], labels: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """φ = z_y − log Σ_{y'≠y} exp z_y', the log-odds of the label, without cancellation.

    The label's probability is sigmoid(φ) and its loss softplus(−φ), so φ carries them all, and to
    full precision where a probability would have been rounded to 1.

    References:
        Carlini et al., "Membership Inference Attacks From First Principles", 2022,
        https://arxiv.org/abs/2112.03570

    Examples:
        >>> print(logit_scaled_confidence(jnp.array([50.0, 0.0]), jnp.array(0)))
        50.0
    """
    label = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
    others = jax.nn.logsumexp(jnp.where(label, -jnp.inf, logits), axis=-1)
    return jnp.where(label, logits, 0).sum(-1) - others


def collect(
    model: Model,
    variables: Variables,
    data: Arrays,
    *,
    release: Release | None = None,
    key: Key[Array, ""] | None = None,
    batch_size: int = 500,
) -> Signals:
    """The signals of one model on every example, taken in eval mode on the examples as they are.

    Args:
        model: the model.
        variables: what was trained.
        data: the examples.
        release: what the model answers in place of its logits; None releases them.
        key: what the release draws from; needed with one.
        batch_size: the examples that run through the model at once; bounds memory alone.
    """

    def predict(x: Float[Array, "batch ..."]) -> Float[Array, "batch classes"]:
        return model.apply(*variables, x, train=False, key=None)[0]

    def one(row: Int[Array, ""]) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        x, y = data.inputs(row)[None], data.y[row]
        logits = predict(x)
        if release is not None:
            assert key is not None
            logits = release(predict, x, logits, jax.random.fold_in(key, row))
        return logit_scaled_confidence(logits[0], y), logits[0].argmax() == y

    confidence, correct = jax.lax.map(one, jnp.arange(len(data.y)), batch_size=batch_size)
    return Signals(confidence[None], correct)
