"""Probes of a denoiser at an example: SecMI, PIA, PIAN and SimA."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.models.ddim import moved
from pptp_jax.signals.each_example import over_examples
from pptp_jax.signals.request import SignalRequest
from pptp_jax.tasks import Denoising, Noisy, Signal
from pptp_jax.validation import Refused

# `predict(image, timestep)`: the noise that a model says is in a scaled image of a known class.
Predict = Callable[[Any, Any], Any]
# What is taken of a scaled image: a number for each timestep, or several.
Probe = Callable[[Denoising, Predict, Float[Array, "..."]], Float[Array, "timesteps ..."]]

_AT_ONCE = 500
_EVEN = math.sqrt(2 / math.pi)  # the mean of |ε| of Gaussian noise


def secmi_errors(
    task: Denoising, predict: Predict, image: Float[Array, "..."]
) -> Float[Array, " timesteps"]:
    r"""SecMI: how far a step of DDIM towards more noise and back misses its start.

    The image goes to each timestep by DDIM, from timestep to timestep of those that are evaluated,
    then one of these steps further and back: \(\|x_t - x_t'\|^2\).

    Args:
        task: with the timesteps.
        predict: the model's noise in a scaled image.
        image: scaled.

    References:
        Duan et al., "Are Diffusion Models Vulnerable to Membership Inference Attacks?", ICML 2023,
        https://arxiv.org/abs/2302.01316
    """
    misses = _misses(task, predict, image)
    return jnp.square(misses).reshape(len(misses), -1).sum(axis=1)


def secmi_differences(
    task: Denoising, predict: Predict, image: Float[Array, "..."]
) -> Float[Array, "timesteps inputs"]:
    r"""SecMI's difference images \(|x_t - x_t'|\), flattened, whose squares `secmi_errors` adds up.

    Args:
        task: with the timesteps.
        predict: the model's noise in a scaled image.
        image: scaled.

    References:
        Duan et al., "Are Diffusion Models Vulnerable to Membership Inference Attacks?", ICML 2023,
        https://arxiv.org/abs/2302.01316
    """
    misses = _misses(task, predict, image)
    return jnp.abs(misses).reshape(len(misses), -1)


def _misses(
    task: Denoising, predict: Predict, image: Float[Array, "..."]
) -> Float[Array, "timesteps ..."]:
    """The error of a step of DDIM forth and back against its start, at each timestep."""
    times = [0, *task.evaluated]
    last = min(2 * times[-1] - times[-2], task.steps - 1)
    order = jnp.array([times, [*times[1:], last]]).T
    shares = task.shares

    def step(x: Any, at: Int[Array, "2"]) -> tuple[Any, Float[Array, "..."]]:
        now, then = at
        there, _ = moved(x, predict(x, now), shares[now], shares[then])
        back, _ = moved(there, predict(there, then), shares[then], shares[now])
        return there, x - back

    return jax.lax.scan(step, image, order)[1][1:]


def pia_errors(
    task: Denoising, predict: Predict, image: Float[Array, "..."], *, normalized: bool = False
) -> Float[Array, " timesteps"]:
    r"""PIA: the error at a noise that the model itself says is in the image.

    With \(\varepsilon_0\), the model's answer at timestep 0, as the noise in \(x_t\), it is
    \(\|\varepsilon_0 - \varepsilon_\theta(x_t, t)\|_4^4\).

    Args:
        task: with the timesteps.
        predict: the model's noise in a scaled image.
        image: scaled.
        normalized: PIAN, which first brings \(\varepsilon_0\) to the mean absolute value of
            Gaussian noise, \(\sqrt{2/\pi}\).

    References:
        Kong et al., "An Efficient Membership Inference Attack for the Diffusion Model by Proximal
        Initialization", ICLR 2024, https://arxiv.org/abs/2305.18355
    """
    own = predict(image, 0)
    if normalized:
        own = own * _EVEN / jnp.maximum(jnp.abs(own).mean(), jnp.finfo(own.dtype).tiny)

    def at(timestep: Int[Array, ""]) -> Float[Array, ""]:
        seen = task.noisy(image[None], timestep[None], own[None])[0]
        return ((own - predict(seen, timestep)) ** 4).sum()

    return jax.lax.map(at, jnp.array(task.evaluated))


def sima_norms(
    task: Denoising, predict: Predict, image: Float[Array, "..."]
) -> Float[Array, " timesteps"]:
    r"""SimA: \(\|\varepsilon_\theta(x, t)\|\), what the model takes for noise in the image itself.

    Args:
        task: with the timesteps.
        predict: the model's noise in a scaled image.
        image: scaled.

    References:
        Rao et al., "Score-based Membership Inference on Diffusion Models", 2025,
        https://arxiv.org/abs/2509.25003
    """

    def at(timestep: Int[Array, ""]) -> Float[Array, ""]:
        return jnp.linalg.norm(predict(image, timestep).reshape(-1))

    return jax.lax.map(at, jnp.array(task.evaluated))


@partial(jax.jit, static_argnums=0)
@full_float32
def probed(
    probe: Probe, model: Model, fleet: Variables, data: Arrays, rows: Int[Array, " rows"]
) -> Float[Array, "models timesteps rows ..."]:
    """A probe of some denoisers on some examples.

    Args:
        probe: such as `secmi_errors`.
        model: the model.
        fleet: the variables of some models, stacked.
        data: the examples.
        rows: which of them.

    Raises:
        ValueError: if the model is no denoiser.
    """
    task = denoiser(model)

    def of_example(own: Variables, row: Int[Array, ""]) -> Float[Array, "timesteps ..."]:
        label = data.targets(row)[None]

        def predict(image: Float[Array, "..."], timestep: Any) -> Float[Array, "..."]:
            at = jnp.asarray(timestep)[None]
            return model.apply(*own, Noisy(image[None], at, label), train=False, key=None)[0][0]

        return probe(task, predict, task.scaled(data.inputs(row)))

    return over_examples(of_example, fleet, rows, at_once=_AT_ONCE).swapaxes(1, 2)


def denoiser(model: Model) -> Denoising:
    """The task of a denoiser.

    Raises:
        ValueError: if the model is none.
    """
    if not isinstance(model.task, Denoising):
        raise Refused(
            f"this signal is of denoisers, such as ddpm(...) makes, and the model's task is "
            f"{model.task.name}"
        )
    return model.task


def _signal(name: str, probe: Probe, *within: str) -> Signal:
    def take(request: SignalRequest) -> Float[Array, "models timesteps examples ..."]:
        return probed(probe, request.model, request.fleet, request.data, request.rows)

    axes = ("models", "timesteps", "examples", *within)
    return Signal(name=name, axes=axes, access="scores", take=take)


SECMI_ERROR = _signal("secmi_error", secmi_errors)
SECMI_DIFFERENCE = _signal("secmi_difference", secmi_differences, "inputs")
PIA_ERROR = _signal("pia_error", pia_errors)
PIAN_ERROR = _signal("pian_error", partial(pia_errors, normalized=True))
SIMA_NORM = _signal("sima_norm", sima_norms)
