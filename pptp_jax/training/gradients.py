"""Gradients of several objectives, one a region, from one forward pass."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax
from jaxtyping import Array, Float, Int

from pptp_jax.objectives import Objective


def gradients(
    forward: Callable[[Any], tuple[Float[Array, "batch classes"], Any]],
    params: Any,
    labels: Int[Array, " batch"],
    objectives: Objective | Mapping[str, Objective],
    regions: Any,
    *,
    epoch: Int[Array, ""] | int,
) -> tuple[Any, Any, Float[Array, ""]]:
    """Each parameter's gradient of its region's objective.

    The network runs forward once. Its linearisation is pulled back once an objective, and of each
    pull-back only the weights of that objective's regions are kept: under `jax.jit` the other
    weight gradients are dead code, which the compiler removes. A region without an objective gets
    zeros.

    Args:
        forward: `params -> (logits, state)`.
        params: the parameters.
        labels: the true classes.
        objectives: one for all parameters, or one a region.
        regions: the tree of the parameters' region labels; not looked at with one objective.
        epoch: the number of the epoch within its phase, for the objectives.

    Returns:
        The gradients, the state that `forward` returned, and the mean cross-entropy of the batch.
    """
    logits, pull_back, state = jax.vjp(forward, params, has_aux=True)
    cross_entropy = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def pulled(objective: Objective) -> Any:
        return pull_back(jax.grad(lambda z: objective(z, labels, epoch=epoch))(logits))[0]

    if not isinstance(objectives, Mapping):
        return pulled(objectives), state, cross_entropy
    grads = jax.tree.map(lambda p: jax.numpy.zeros_like(p), params)
    for label, objective in objectives.items():
        grads = jax.tree.map(
            lambda own, new, old, label=label: new if own == label else old,
            regions,
            pulled(objective),
            grads,
        )
    return grads, state, cross_entropy
