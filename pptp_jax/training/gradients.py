"""Gradients of several objectives, one a region, from one forward pass."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Loss = Callable[[Float[Array, "batch classes"]], Float[Array, ""]]


def gradients(
    forward: Callable[[Any], tuple[Float[Array, "batch classes"], Any]],
    params: Any,
    losses: Loss | Mapping[str, Loss],
    regions: Any,
) -> tuple[Any, Float[Array, "batch classes"], Any]:
    """Each parameter's gradient of its region's loss.

    The network runs forward once. Its linearisation is pulled back once a loss, and of each
    pull-back only the weights of that loss's regions are kept: under `jax.jit` the other
    weight gradients are dead code, which the compiler removes. A region without a loss gets
    zeros.

    Args:
        forward: `params -> (logits, state)`.
        params: the parameters.
        losses: functions of the logits, one for all parameters, or one a region.
        regions: the tree of the parameters' region labels; not looked at with one loss.

    Returns:
        The gradients, the logits, and the state that `forward` returned.
    """
    logits, pull_back, state = jax.vjp(forward, params, has_aux=True)
    if not isinstance(losses, Mapping):
        return pull_back(jax.grad(losses)(logits))[0], logits, state
    grads = jax.tree.map(jnp.zeros_like, params)
    for label, loss in losses.items():
        pulled = pull_back(jax.grad(loss)(logits))[0]
        grads = jax.tree.map(
            lambda own, new, old, label=label: new if own == label else old, regions, pulled, grads
        )
    return grads, logits, state
