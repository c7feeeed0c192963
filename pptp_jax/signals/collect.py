"""Taking the signals of one model."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables
from pptp_jax.release import Release
from pptp_jax.signals.confidence import logit_scaled_confidence
from pptp_jax.signals.queries import IDENTITY, Query, check_queries


class Signals(NamedTuple):
    """What is kept of a model once it is gone.

    Attributes:
        confidence: φ, the logit-scaled confidence in the label.
        logits: what the model answers.
        correct: whether the prediction on the example as it is, query 0, is the label.
    """

    confidence: Float[Array, "queries examples"]
    logits: Float[Array, "queries examples classes"]
    correct: Bool[Array, " examples"]


def collect(
    model: Model,
    variables: Variables,
    data: Arrays,
    *,
    queries: tuple[Query, ...] = (IDENTITY,),
    release: Release | None = None,
    key: Key[Array, ""] | None = None,
    batch_size: int = 500,
) -> Signals:
    """The signals of one model on every example, taken in eval mode: no dropout, no batch's norm.

    Args:
        model: the model.
        variables: what was trained.
        data: the examples.
        queries: the forms in which it is asked about each of them.
        release: what the model answers in place of its logits; None releases them.
        key: what the release draws from; needed with one.
        batch_size: how many answers are computed at once; bounds memory alone.

    Raises:
        ValueError: if the first query is not the identity, or the examples are no images and a
            query needs them.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.signals import FLIP
        >>> digits, model = Arrays.of(Digits().load()), mlp([8], num_classes=10)
        >>> variables = model.init(jax.random.key(0), digits.inputs(slice(0, 1)))
        >>> signals = collect(model, variables, digits, queries=(IDENTITY, FLIP))
        >>> signals.confidence.shape, signals.logits.shape, signals.correct.shape
        ((2, 1797), (2, 1797, 10), (1797,))
    """
    check_queries(queries, data.x.shape[1:])

    def predict(x: Float[Array, "batch ..."]) -> Float[Array, "batch classes"]:
        return model.apply(*variables, x, train=False, key=None)[0]

    def one(row: Int[Array, ""]) -> Float[Array, "queries classes"]:
        x = data.inputs(row)[None]
        x = jnp.concatenate([query(x) for query in queries])
        logits = predict(x)
        if release is not None:
            assert key is not None
            logits = release(predict, x, logits, jax.random.fold_in(key, row))
        return logits.astype(jnp.float32)

    at_once = max(1, batch_size // len(queries))
    logits = jax.lax.map(one, jnp.arange(len(data.y)), batch_size=at_once).swapaxes(0, 1)
    labels = jnp.broadcast_to(data.y, logits.shape[:2])
    return Signals(
        logit_scaled_confidence(logits, labels), logits, logits[0].argmax(axis=-1) == data.y
    )
