"""Inputs, labels and logits, checked before a search begins."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.robustness.gradient import Predict
from pptp_jax.validation import Refused


def check_examples(
    predict: Predict, x: Float[Array, "batch ..."], labels: Int[Array, " batch"]
) -> None:
    """Refuses inputs or logits that are no numbers, and labels that are no classes.

    What is being traced cannot be looked at and passes.

    Args:
        predict: the logits of a batch, each by its own input alone.
        x: the inputs.
        labels: their labels.

    Raises:
        Refused: saying what is wrong with which example.

    Examples:
        >>> check_examples(lambda x: x, jnp.zeros((1, 3)), jnp.array([3]))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: labels must be the classes 0 to 2, got 3 of example 0
    """
    logits = jax.vmap(lambda one: predict(one[None])[0])(x)
    if any(isinstance(one, jax.core.Tracer) for one in (x, labels, logits)):
        return
    _check_all("inputs must be finite numbers, got NaN or infinity", jnp.isfinite(x))
    _check_all("logits must be numbers, and the model answers NaN", ~jnp.isnan(logits))
    labels, classes = jnp.asarray(labels), logits.shape[-1]
    wrong = jnp.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise Refused(
            f"labels must be the classes 0 to {classes - 1}, got {labels[wrong[0]]} of example "
            f"{wrong[0]}"
        )


def _check_all(what: str, right: Bool[Array, "batch ..."]) -> None:
    wrong = jnp.flatnonzero(~right.all(axis=tuple(range(1, right.ndim))))
    if len(wrong):
        raise Refused(f"{what} in {len(wrong)} of {len(right)} examples, the first is {wrong[0]}")
