"""Projected gradient ascent: many small steps within the ball."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.robustness.ball import Ball
from pptp_jax.robustness.gradient import Predict, ascent
from pptp_jax.validation import at_least, positive


def pgd(
    predict: Predict,
    x: Float[Array, "batch ..."],
    labels: Int[Array, " batch"],
    ball: Ball,
    start: Float[Array, "batch ..."],
    *,
    steps: int | Int[Array, ""] = 40,
    pace: float | Float[Array, ""] = 2.5,
    to_the_end: bool = False,
) -> Float[Array, "batch ..."]:
    """The first iterate of each example that the model mislabels, or else the last one.

    Every step goes by `pace` · ε / `steps` along the sign of the loss's gradient (in L2, along the
    gradient), then back into the ball. The published attack looks at the last point alone; one that
    an attacker has passed is his as well. An example whose label is wrong in the first place is
    left as it is.

    Args:
        predict: the logits of a batch, each by its own input alone.
        x: the inputs, within the range of the ball.
        labels: their labels.
        ball: how far the attacker may go.
        start: where the way begins, such as a point that `Ball.draw` gives.
        steps: how many steps are made.
        pace: how often the way is as long as the radius; with 2.5 every point of the ball can be
            reached, whatever the start.
        to_the_end: whether every example goes all the way, also those whose label is lost: what
            another network shall fall for must lie far beyond the boundary of this one.

    Raises:
        ValueError: if the steps or the pace are not positive.

    References:
        Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018,
        https://arxiv.org/abs/1706.06083; 2.5 ε / steps is what its authors' library takes.

    Examples:
        >>> weights = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> x, ball = jnp.array([[0.5, 0.45]]), Ball(epsilon=0.25, low=0.0, high=1.0)
        >>> found = pgd(lambda x: x @ weights, x, jnp.array([0]), ball, x, steps=5)
        >>> print(found)
        [[0.375 0.575]]
    """
    at_least(1, steps=steps)
    positive(pace=pace)
    shape = (-1, *[1] * (x.ndim - 1))
    length = pace * ball.epsilon / steps

    def step(_: int, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        at, kept, lost = state
        gradient, right = ascent(predict, at, labels)
        if not to_the_end:
            kept = jnp.where((lost | right).reshape(shape), kept, at)
            lost = lost | ~right
        at = jax.vmap(ball.nearest)(x, at + length * jax.vmap(ball.steepest)(gradient))
        return at, kept, lost

    wrong = predict(x).argmax(axis=-1) != labels
    if to_the_end:
        wrong = jnp.zeros_like(wrong)
    at, kept, lost = jax.lax.fori_loop(0, steps, step, (start, x, wrong))
    return jnp.where(lost.reshape(shape), kept, at)
