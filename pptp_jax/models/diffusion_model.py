"""Denoising diffusion probabilistic models: any network of noise, with its task and its samples."""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from pptp_jax.models.ddim import denoised
from pptp_jax.models.model import Model, Variables
from pptp_jax.models.products import full_float32
from pptp_jax.tasks.denoiser import Denoising, Noisy
from pptp_jax.tasks.noise_schedule import Schedule, signal_shares
from pptp_jax.validation import Refused, at_least, fraction, given


def ddpm(
    network: Model,
    steps: int = 100,
    schedule: Schedule = "cosine",
    *,
    shape: tuple[int, ...],
    sampling_steps: int | None = 25,
    eta: float = 0.0,
    **settings: Any,
) -> Model:
    """A class-conditional diffusion model of images from a network that predicts the noise.

    Args:
        network: takes `pptp_jax.tasks.Noisy` and returns noise of the shape of its inputs, such as
            `denoising_mlp` or `unet`; its blocks are those of the model.
        steps: the timesteps of the diffusion.
        schedule: how noise grows over them, `linear` or `cosine`.
        shape: that of an image.
        sampling_steps: how many of them `Model.sample` visits; None for all.
        eta: how much noise sampling draws afresh: 0 is DDIM; 1 with `sampling_steps=None` is
            ancestral sampling.
        **settings: the other fields of `Denoising`, such as `multiplicity`, `low` and `high`.

    Returns:
        A model of the task `Denoising`, for inputs from `low` to `high` with labels as targets.

    Raises:
        ValueError: if a number is out of range or the schedule is unknown; in `init`, if images
            have another shape.

    References:
        Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020,
        https://arxiv.org/abs/2006.11239

    Examples:
        >>> from pptp_jax.models import denoising_mlp
        >>> model = ddpm(denoising_mlp([32], num_classes=10), steps=50, shape=(8, 8, 1))
        >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
        >>> model.sample(*variables, jax.random.key(1), jnp.array([3, 8])).shape
        (2, 8, 8, 1)
    """
    shape = tuple(shape)
    task = Denoising(steps=steps, schedule=schedule, numbers=math.prod(shape), **settings)
    at_least(1, **given(sampling_steps=sampling_steps))
    fraction(eta=eta)
    count = None if sampling_steps is None else min(sampling_steps, steps)

    def init(key: Any, x: Any, **shared: Any) -> Variables:
        if x.shape[1:] != shape:
            raise Refused(f"this model is of images of shape {shape}, got {x.shape[1:]}")
        whole = jnp.zeros(len(x), int)
        return network.init(key, Noisy(x, whole, whole), **shared)

    @full_float32
    def sample(params: Any, state: Any, key: Any, labels: Any, **shared: Any) -> Any:
        begin, drawing = jax.random.split(key)

        def predict(images: Any, timestep: Any) -> Any:
            seen = Noisy(images, jnp.broadcast_to(timestep, labels.shape), labels)
            return network.apply(params, state, seen, train=False, key=None, **shared)[0]

        images = denoised(
            predict,
            jax.random.normal(begin, (len(labels), *shape)),
            signal_shares(schedule, steps),
            sampling_steps=count,
            eta=eta,
            key=drawing,
            bound=1.0,
        )
        return task.unscaled(images)

    config = {
        "name": "ddpm",
        "steps": steps,
        "schedule": schedule,
        "shape": list(shape),
        "sampling_steps": sampling_steps,
        "eta": eta,
        **{name: list(v) if isinstance(v, tuple) else v for name, v in settings.items()},
        "model": dict(network.config),
    }
    return replace(
        network, init=init, sample=sample, task=task, config=config, statistics=None, features=None
    )
