"""The norms of a denoiser's gradients, by block and timestep."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.models.blocks import block_numbers
from pptp_jax.signals.denoiser_probes import denoiser
from pptp_jax.signals.each_example import over_examples
from pptp_jax.signals.gradient_norms import examples_at_once, norms_by_block
from pptp_jax.signals.request import SignalRequest
from pptp_jax.tasks import Batch, Signal


@jax.jit
@full_float32
def timestep_gradients(
    model: Model, fleet: Variables, data: Arrays, rows: Int[Array, " rows"]
) -> Float[Array, "models rows timesteps blocks"]:
    """‖∇_b ½ d e_t‖ of each example for the parameters of each block b, at each timestep t.

    Args:
        model: a denoiser.
        fleet: the variables of some models, stacked.
        data: the examples.
        rows: the examples that are looked at.

    Raises:
        ValueError: if the model is no denoiser.
    """
    task, numbers = denoiser(model), block_numbers(model, fleet.params)

    def of_example(own: Variables, row: Int[Array, ""]) -> Float[Array, "timesteps blocks"]:
        batch = Batch(data.inputs(row)[None], data.targets(row)[None])

        def loss(params: Any, timestep: Int[Array, ""]) -> Float[Array, ""]:
            variables = own._replace(params=params)
            errors = task.errors(model, variables, batch, timestep[None])
            return -task.log_prob(errors, batch.targets)[0]

        def at(timestep: Int[Array, ""]) -> Float[Array, " blocks"]:
            gradient = jax.grad(loss)(own.params, timestep)
            return norms_by_block(numbers, len(model.blocks), gradient)

        return jax.lax.map(at, jnp.array(task.evaluated))

    at_once = examples_at_once(fleet.params)
    return over_examples(of_example, fleet, rows, at_once=at_once)


def _take(request: SignalRequest) -> Float[Array, "models timesteps blocks examples"]:
    found = timestep_gradients(request.model, request.fleet, request.data, request.rows)
    return jnp.moveaxis(found, 1, -1)


TIMESTEP_GRADIENTS = Signal(
    name="timestep_gradients",
    axes=("models", "timesteps", "blocks", "examples"),
    access="white-box",
    take=_take,
)
