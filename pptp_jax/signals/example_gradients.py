"""The gradient of each example, which attackers compare with clients' updates."""

from typing import Any

import jax
from jaxtyping import Array, Float, Int

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.signals.request import negative_log_prob


@jax.jit
@full_float32
def example_gradients(
    model: Model, variables: Variables, data: Arrays, rows: Int[Array, " rows"]
) -> Any:
    """∇ℓ(x, y) of each example for all parameters of one network, in eval mode.

    White-box: an attacker who knows the network at the start of a round can compute it. All
    gradients are in memory at once.

    Args:
        model: the model.
        variables: those of one network.
        data: the examples.
        rows: the examples that are looked at.

    Returns:
        A tree of the parameters' structure, with a leading axis of examples.

    Examples:
        >>> import jax.numpy as jnp
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> digits, model = Arrays.of(Digits().load()), mlp([8], num_classes=10)
        >>> network = model.init(jax.random.key(0), digits.inputs(slice(0, 1)))
        >>> example_gradients(model, network, digits, jnp.arange(3))["head"]["bias"].shape
        (3, 10)
    """

    def loss(params: Any, row: Int[Array, ""]) -> Float[Array, ""]:
        own = variables._replace(params=params)
        return negative_log_prob(model, own, data.inputs(row), data.targets(row))

    return jax.vmap(jax.grad(loss), (None, 0))(variables.params, rows)
