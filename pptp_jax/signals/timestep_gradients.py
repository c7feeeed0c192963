"""The norms of a denoiser's gradients, by block and timestep."""

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.signals.denoiser_probes import denoiser
from pptp_jax.signals.gradient_norms import gradient_norms
from pptp_jax.signals.request import SignalRequest
from pptp_jax.tasks import Signal


def _take(request: SignalRequest) -> Float[Array, "models timesteps blocks examples"]:
    task = denoiser(request.model)

    def at(timestep: int) -> Float[Array, "models blocks examples"]:
        model = replace(request.model, task=replace(task, timesteps=(timestep,)))
        found = gradient_norms(model, request.fleet, request.data, request.rows)
        return found.swapaxes(0, 1)

    return jnp.stack([at(timestep) for timestep in task.evaluated], axis=1)


TIMESTEP_GRADIENTS = Signal(
    name="timestep_gradients",
    axes=("models", "timesteps", "blocks", "examples"),
    access="white-box",
    take=_take,
)
