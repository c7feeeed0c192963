"""Gradient inversion: restore inputs from a gradient by optimisation, with a smoothness prior."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from pptp_jax.validation import Refused, at_least, not_negative, one_of, positive


class Restored(NamedTuple):
    """Inputs that were restored from a gradient.

    Attributes:
        inputs: those of the step at which the objective was least.
        objective: its value at each step.
    """

    inputs: Float[Array, "..."]
    objective: Float[Array, " steps"]


def total_variation(images: Float[Array, "... height width channels"]) -> Float[Array, ""]:
    """The mean absolute difference of neighbouring pixels: small for smooth images.

    Args:
        images: images; their values.

    Examples:
        >>> print(total_variation(jnp.array([[[0.0], [1.0]], [[0.0], [1.0]]])))
        0.5
    """
    down = jnp.abs(jnp.diff(images, axis=-3)).mean()
    return (down + jnp.abs(jnp.diff(images, axis=-2)).mean()) / 2


def restore_by_descent(
    gradient_of: Callable[[Float[Array, "..."]], Any],
    observed: Any,
    start: Float[Array, "..."],
    *,
    match: Literal["squared", "cosine"] = "cosine",
    smoothness: float = 0.0,
    bounds: tuple[float, float] = (0.0, 1.0),
    steps: int = 300,
    learning_rate: float = 0.05,
) -> Restored:
    r"""The inputs whose gradient is most like the observed one: a Bayesian restoration attack.

    `squared` minimises \(\|g(x) - o\|^2 / \|o\|^2 + \lambda TV(x)\): the most probable x where o is
    g(x) with Gaussian noise and \(\lambda TV\) its prior; `cosine` replaces the distance by one
    minus the cosine, which an unknown learning rate does not change. Adam, within the bounds. It is
    a lower bound of what an attacker can restore: another start or more steps may do better.

    Args:
        gradient_of: what inputs would send; the attacker knows network and labels.
        observed: o, in the structure that it returns, or a region of it.
        start: where the inputs begin, such as a grey image.
        match: how gradients are compared.
        smoothness: λ, of the total variation of images (..., height, width, channels).
        bounds: the least and the largest value of an input.
        steps: of Adam.
        learning_rate: of Adam, in units of the inputs.

    Raises:
        ValueError: if a number is out of range, the start lies outside the bounds or is no image
            though it is to be smooth, shapes disagree, or what was observed is zero or not finite.

    References:
        Zhu, Liu and Han, "Deep Leakage from Gradients", NeurIPS 2019,
        https://arxiv.org/abs/1906.08935 (squared)

        Geiping et al., "Inverting Gradients", NeurIPS 2020, https://arxiv.org/abs/2003.14053
        (cosine, total variation)

    Examples:
        >>> weights = jnp.array([[1.0, 2.0], [0.0, 1.0], [2.0, 1.0]])
        >>> def sent(x): return {"w": jnp.outer(weights @ x, x)}
        >>> x = jnp.array([0.25, 0.75])
        >>> found = restore_by_descent(sent, sent(x), jnp.full(2, 0.5), match="squared")
        >>> print(found.inputs.round(2))
        [0.25 0.75]
    """
    one_of(("squared", "cosine"), match=match)
    not_negative(smoothness=smoothness)
    positive(learning_rate=learning_rate)
    at_least(1, steps=steps)
    low, high = bounds
    start = jnp.asarray(start, jnp.float32)
    if not low < high:
        raise Refused(f"bounds must be the least and the largest value of an input, got {bounds}")
    if not ((start >= low) & (start <= high)).all():
        raise Refused(f"start must lie within the bounds, {low:g} to {high:g}")
    if smoothness and start.ndim < 3:
        raise Refused(
            "smoothness needs images (..., height, width, channels), got a start of shape "
            f"{start.shape}"
        )
    expected = jax.eval_shape(gradient_of, start)
    shapes = [
        [leaf.shape for leaf in jax.tree.leaves(tree)]
        for tree in (expected, jax.eval_shape(lambda: observed))
    ]
    if shapes[0] != shapes[1]:
        raise Refused(
            f"observed must have the shapes that gradient_of returns, {shapes[0]}, got {shapes[1]}"
        )
    sent = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(observed)])
    if not jnp.isfinite(sent).all():
        raise Refused("what was observed must be finite")
    if not jnp.any(sent):
        raise Refused("what was observed is zero: it says nothing of the inputs")

    def objective(x: Float[Array, "..."]) -> Float[Array, ""]:
        own = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(gradient_of(x))])
        if match == "squared":
            apart = jnp.square(own - sent).sum() / jnp.square(sent).sum()
        else:
            lengths = jnp.sqrt(jnp.square(own).sum() * jnp.square(sent).sum())
            apart = 1 - own @ sent / jnp.maximum(lengths, 1e-12)
        return apart + smoothness * total_variation(x) if smoothness else apart

    tx = optax.scale_by_adam()

    def step(carry: tuple[Any, ...], _: None) -> tuple[tuple[Any, ...], Float[Array, ""]]:
        x, state, best, least = carry
        value, slope = jax.value_and_grad(objective)(x)
        better = value < least
        best, least = jnp.where(better, x, best), jnp.where(better, value, least)
        updates, state = tx.update(slope, state)
        x = jnp.clip(x - learning_rate * updates, low, high)
        return (x, state, best, least), value

    with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its count
        carry = start, tx.init(start), start, jnp.asarray(jnp.inf, start.dtype)
        (_, _, best, _), values = jax.lax.scan(step, carry, None, length=steps)
    return Restored(best, values)
