"""Gradients of several objectives, one a region, from one forward pass."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Of what a network makes of a batch, a pytree with examples first.
Loss = Callable[[Any], Float[Array, ""]]


def gradients(
    forward: Callable[[Any], tuple[Any, Any]],
    params: Any,
    losses: Loss | Mapping[str, Loss],
    regions: Any,
) -> tuple[Any, Any, Any]:
    """Each parameter's gradient of its region's loss.

    The network runs forward once. Its linearisation is pulled back once a loss, and of each
    pull-back only the weights of that loss's regions are kept: under `jax.jit` the other
    weight gradients are dead code, which the compiler removes. A region without a loss gets
    zeros.

    Args:
        forward: `params -> (outputs, state)`.
        params: the parameters.
        losses: functions of the outputs, one for all parameters, or one a region.
        regions: the tree of the parameters' region labels; not looked at with one loss.

    Returns:
        The gradients, the outputs, and the state that `forward` returned.
    """
    outputs, pull_back, state = jax.vjp(forward, params, has_aux=True)
    if not isinstance(losses, Mapping):
        return pull_back(jax.grad(losses)(outputs))[0], outputs, state
    grads = jax.tree.map(jnp.zeros_like, params)
    for label, loss in losses.items():
        pulled = pull_back(jax.grad(loss)(outputs))[0]
        grads = jax.tree.map(
            lambda own, new, old, label=label: new if own == label else old, regions, pulled, grads
        )
    return grads, outputs, state
