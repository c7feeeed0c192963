"""The distance of an example to the decision boundary, by the gradients of the logits."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.robustness.arguments import check_examples
from pptp_jax.robustness.gradient import Predict, as_float32
from pptp_jax.validation import at_least

# Each step goes a little too far, so that it crosses a boundary that is straight.
OVERSHOOT = 0.02
# How often the last stretch is halved, so that the overshoot is taken back.
BISECTIONS = 20


class Boundary(NamedTuple):
    """Two distances to the decision boundary, Euclidean; 0 where the label is wrong from the start.

    Attributes:
        linear: to the nearest boundary of the logits, taken as linear around the example.
        found: to the point that the search found; infinite where it found none. The nearest point
            with another label is no further away.

    Examples:
        >>> Boundary(jnp.ones(2), jnp.ones(2)).found.shape
        (2,)
    """

    linear: Float[Array, " batch"]
    found: Float[Array, " batch"]


def nearest_boundary(
    predict: Predict,
    x: Float[Array, "batch ..."],
    labels: Int[Array, " batch"],
    *,
    steps: int = 30,
    low: float | Float[Array, ""] = -jnp.inf,
    high: float | Float[Array, ""] = jnp.inf,
) -> Boundary:
    r"""The distance of each example to the decision boundary, in the manner of DeepFool.

    Taken as linear, the logits of class k and of the label y are equal at the distance
    \((z_y - z_k) / \|\nabla (z_y - z_k)\|\). The nearest of these boundaries gives the step, which
    repeats until the label changes. A bisection between the example and that point then finds where
    the label changes. Linear models have no shorter way.

    Deviations from DeepFool: the bisection in place of the published factor 1.02 on the way; inputs
    at an end of the range do not move beyond it; and the label, not the prediction, is left.

    Args:
        predict: the logits of a batch, each by its own input alone.
        x: the inputs.
        labels: their labels.
        steps: how many steps are made at most.
        low: the least that an input may be in the search; `linear` knows no range.
        high: the most.

    Raises:
        ValueError: if the steps are not positive, inputs or logits are no numbers, or a label is no
            class. Within `jax.jit` they cannot be looked at: of NaN both distances are NaN.

    References:
        Moosavi-Dezfooli, Fawzi and Frossard, "DeepFool: a simple and accurate method to fool deep
        neural networks", CVPR 2016, https://arxiv.org/abs/1511.04599

    Examples:
        >>> weights = jnp.array([[3.0, 0.0], [4.0, 0.0]])
        >>> found = nearest_boundary(lambda x: x @ weights, jnp.ones((1, 2)), jnp.array([0]))
        >>> print(found.linear, found.found.round(4))
        [1.4] [1.4]
    """
    at_least(1, steps=steps)
    x = as_float32(x)
    check_examples(predict, x, labels)

    def of_example(x: Float[Array, "*input"], label: Int[Array, ""]) -> Boundary:
        def margins(x: Float[Array, "*input"]) -> Float[Array, " classes"]:
            """The lead of each class over the label."""
            logits = predict(x[None])[0].astype(jnp.float32)
            return logits - logits[label]

        def stepped(
            at: Float[Array, "*input"], ends: tuple[Array | float, Array | float]
        ) -> tuple[Float[Array, "*input"], Float[Array, ""]]:
            """The change that leads across the nearest linear boundary, and its length."""
            slopes = jax.jacrev(margins)(at)
            stuck = ((at <= ends[0])[None] & (slopes < 0)) | ((at >= ends[1])[None] & (slopes > 0))
            slopes = jnp.where(stuck, 0.0, slopes)
            gaps = jnp.maximum(-margins(at), 0.0)
            squares = jnp.square(slopes.reshape(len(gaps), -1)).sum(axis=1)
            known = squares > 0  # never the label itself
            lengths = jnp.where(known, gaps / jnp.sqrt(jnp.where(known, squares, 1.0)), jnp.inf)
            k = lengths.argmin()
            change = slopes[k] * jnp.where(known[k], gaps[k] / squares[k], 0.0)
            return change, lengths[k]

        def wrong(x: Float[Array, "*input"]) -> Array:
            return margins(x).argmax() != label

        def step(_: int, at: Float[Array, "*input"]) -> Float[Array, "*input"]:
            change, length = stepped(at, (low, high))
            # A way of almost no length still has to lead across.
            longer = 1 + OVERSHOOT + 1e-6 / jnp.maximum(length, 1e-6)
            return jnp.where(wrong(at), at, jnp.clip(at + longer * change, low, high))

        end = jax.lax.fori_loop(0, steps, step, x)

        def half(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = (ends[0] + ends[1]) / 2
            over = wrong(x + middle * (end - x))
            return jnp.where(over, ends[0], middle), jnp.where(over, middle, ends[1])

        _, share = jax.lax.fori_loop(0, BISECTIONS, half, (jnp.float32(0), jnp.float32(1)))
        far = share * jnp.linalg.norm((end - x).ravel())
        _, linear = stepped(x, (-jnp.inf, jnp.inf))
        lost = jnp.where(jnp.isnan(margins(x)).any(), jnp.nan, 0.0)
        right = ~wrong(x) & (lost == 0)
        return Boundary(
            jnp.where(right, linear, lost),
            jnp.where(right, jnp.where(wrong(end), far, jnp.inf), lost),
        )

    return jax.vmap(of_example)(x, labels)
