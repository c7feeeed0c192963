"""The norm of each block's gradient: a cheap first signal of membership by block."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.models.blocks import block_numbers
from pptp_jax.signals.each_example import over_examples
from pptp_jax.signals.request import SignalRequest, negative_log_prob
from pptp_jax.tasks import Signal
from pptp_jax.transforms.norms import scaled_norm

# The single weights whose gradients are held at once.
_WEIGHTS_AT_ONCE = 2**25


@jax.jit
@full_float32
def gradient_norms(
    model: Model, fleet: Variables, data: Arrays, rows: Int[Array, " rows"]
) -> Float[Array, "blocks models rows"]:
    """‖∇_b ℓ(x, y)‖ of each example for the parameters of each block b, in eval mode.

    White-box: an attacker who knows the network, and takes −‖∇_b ℓ‖ as the score of a member.

    Args:
        model: the model.
        fleet: the variables of some models, stacked.
        data: the examples.
        rows: the examples that are looked at.

    Returns:
        The Euclidean norms.

    Examples:
        >>> import numpy as np
        >>> from pptp_jax.data import Dataset
        >>> from pptp_jax.regions import Block
        >>> model = Model(
        ...     init=lambda key, x: Variables({"w": jnp.zeros((1, 2)), "b": jnp.zeros(2)}, {}),
        ...     apply=lambda p, state, x, *, train, key: (x @ p["w"] + p["b"][None], state),
        ...     blocks=(Block("stem", "w"), Block("head", "b")),
        ... )
        >>> x, y = np.array([[2.0], [0.0], [1.0]]), np.array([0, 1, 1])
        >>> data = Arrays.of(Dataset("three", x, y, np.arange(3), 2))
        >>> fleet = jax.tree.map(lambda leaf: leaf[None], model.init(None, x))
        >>> norms = gradient_norms(model, fleet, data, jnp.arange(3))[:, 0]
        >>> print((norms * jnp.sqrt(2.0)).round(3))
        [[2. 0. 1.]
         [1. 1. 1.]]
    """
    numbers = block_numbers(model, fleet.params)
    blocks = len(model.blocks)

    def loss(params: Any, state: Any, row: Int[Array, ""]) -> Float[Array, ""]:
        return negative_log_prob(
            model, Variables(params, state), data.inputs(row), data.targets(row)
        )

    def of_example(own: Variables, row: Int[Array, ""]) -> Float[Array, " blocks"]:
        gradient = jax.grad(loss)(own.params, own.state, row)
        return norms_by_block(numbers, blocks, gradient)

    at_once = examples_at_once(fleet.params)
    return jnp.moveaxis(over_examples(of_example, fleet, rows, at_once=at_once), -1, 0)


def norms_by_block(numbers: Any, blocks: int, gradient: Any) -> Float[Array, " blocks"]:
    """The Euclidean norm of each block's part of a gradient.

    Args:
        numbers: the tree of the parameters' block numbers; see `block_numbers`.
        blocks: how many there are.
        gradient: the tree of one example's gradient.
    """
    parts: list[list[jax.Array]] = [[] for _ in range(blocks)]
    for number, leaf in zip(jax.tree.leaves(numbers), jax.tree.leaves(gradient), strict=True):
        parts[number].append(leaf)
    return jnp.stack([scaled_norm(part).value for part in parts]).astype(jnp.float32)


def examples_at_once(params: Any) -> int:
    """The examples whose gradients are held at once.

    Args:
        params: the parameters of some models, stacked.
    """
    weights = sum(math.prod(leaf.shape[1:]) for leaf in jax.tree.leaves(params))
    return max(1, _WEIGHTS_AT_ONCE // weights)


def _take(request: SignalRequest) -> Float[Array, "models blocks examples"]:
    return gradient_norms(request.model, request.fleet, request.data, request.rows).swapaxes(0, 1)


GRADIENT_NORMS = Signal(
    name="gradient_norms", axes=("models", "blocks", "examples"), access="white-box", take=_take
)
