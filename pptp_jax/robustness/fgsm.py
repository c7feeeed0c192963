"""The fast gradient method: one step to the boundary of the ball."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.robustness.ball import Ball
from pptp_jax.robustness.gradient import Predict, ascent


def fgsm(
    predict: Predict, x: Float[Array, "batch ..."], labels: Int[Array, " batch"], ball: Ball
) -> Float[Array, "batch ..."]:
    """Each example moved by ε along the sign of the loss's gradient, or in L2 along the gradient.

    An example whose label is wrong in the first place is left as it is.

    Args:
        predict: the logits of a batch, each by its own input alone.
        x: the inputs, within the range of the ball.
        labels: their labels.
        ball: how far the attacker may go.

    References:
        Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015,
        https://arxiv.org/abs/1412.6572

    Examples:
        >>> weights = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> ball = Ball(epsilon=0.25, low=0.0, high=1.0)
        >>> print(fgsm(lambda x: x @ weights, jnp.array([[0.5, 0.25]]), jnp.array([0]), ball))
        [[0.25 0.5 ]]
    """
    gradient, right = ascent(predict, x, labels)
    moved = jax.vmap(ball.nearest)(x, x + ball.epsilon * jax.vmap(ball.steepest)(gradient))
    return jnp.where(right.reshape(-1, *[1] * (x.ndim - 1)), moved, x)
