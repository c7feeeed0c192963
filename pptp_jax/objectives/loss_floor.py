"""The loss of RelaxLoss and its successors: hold the loss at a target, epoch by epoch."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def held_at(
    target: float | Float[Array, ""],
    loss: Float[Array, ""],
    flattened: Float[Array, ""],
    epoch: Int[Array, ""] | int,
) -> Float[Array, ""]:
    """|L − α| in even epochs; in odd ones L while it is above α, else the flattened loss.

    Args:
        target: α.
        loss: L, the mean of a batch.
        flattened: what takes the place of L below the target.
        epoch: counted from 0.

    Examples:
        >>> low, flat = jnp.float32(0.5), jnp.float32(-9.0)
        >>> print(held_at(1.0, low, flat, epoch=0), held_at(1.0, low, flat, epoch=1))
        0.5 -9.0
    """
    odd = jnp.where(loss > target, loss, flattened)
    return jnp.where(epoch % 2 == 0, jnp.abs(loss - target), odd)


def flattened_labels(
    logits: Float[Array, "batch classes"],
    labels: Int[Array, " batch"],
    upper: float | Float[Array, ""],
) -> Float[Array, "batch classes"]:
    """The network's own p(label), at most `upper`, on the label and the rest spread evenly.

    The gradient passes through it.

    Examples:
        >>> print(flattened_labels(jnp.zeros((1, 3)), jnp.array([0]), upper=0.0))
        [[0.  0.5 0.5]]
    """
    classes = logits.shape[-1]
    hard = jax.nn.one_hot(labels, classes, dtype=logits.dtype)
    log_p = (hard * jax.nn.log_softmax(logits)).sum(-1, keepdims=True)
    p = jnp.minimum(jnp.exp(log_p), upper)
    return hard * p + (1 - hard) * ((1 - p) / (classes - 1))
