"""The input gradient of the loss."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from pptp_jax.tasks import logit_scaled_confidence

Predict = Callable[[Float[Array, "batch ..."]], Float[Array, "batch classes"]]


def ascent(
    predict: Predict, x: Float[Array, "batch ..."], labels: Int[Array, " batch"]
) -> tuple[Float[Array, "batch ..."], Bool[Array, " batch"]]:
    """The gradient of −φ by the inputs, and whether the label is predicted.

    The loss is softplus(−φ), so its gradient has the same direction. But it vanishes to the last
    bit where a network is sure of itself, and a step along its sign with it: the network would seem
    robust because it is confident.

    Args:
        predict: the logits of a batch, each by its own input alone.
        x: the inputs.
        labels: their labels.

    Examples:
        >>> weights = jnp.array([[300.0, 0.0]])
        >>> gradient, right = ascent(lambda x: x @ weights, jnp.ones((1, 1)), jnp.array([0]))
        >>> print(gradient, right)
        [[-300.]] [ True]
    """

    def total(x: Float[Array, "batch ..."]) -> tuple[Array, Array]:
        logits = predict(x).astype(jnp.float32)
        return -logit_scaled_confidence(logits, labels).sum(), logits.argmax(axis=-1) == labels

    return jax.grad(total, has_aux=True)(x)


def as_float32(x: Shaped[Array, "batch ..."]) -> Float[Array, "batch ..."]:
    """Inputs that a search can move by small steps: of integers and bfloat16 as well.

    Args:
        x: the inputs.

    Examples:
        >>> as_float32(jnp.array([[0, 255]])).dtype
        dtype('float32')
    """
    return jnp.asarray(x, jnp.float32)
