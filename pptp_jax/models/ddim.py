"""Sample images from a denoiser: deterministic DDIM, and ancestral sampling."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from pptp_jax.validation import Refused, fraction

# `predict(images, timestep)`: the noise in images of one timestep, an integer.
Predict = Callable[[Any, Any], Any]
Images = Float[Array, "batch ..."]


def moved(
    images: Images,
    noise: Images,
    share: Float[Array, ""],
    other: Float[Array, ""],
    bound: float | None = None,
) -> tuple[Images, Images]:
    r"""Images at another timestep, with the same image and noise inside: a step of DDIM.

    It goes to less noise as well as to more.

    Args:
        images: \(x_t\).
        noise: what a denoiser says of them.
        share: \(\bar\alpha_t\), the share of the image in the variance.
        other: that of the other timestep; 1 takes all noise away.
        bound: the image inside is cut to [−bound, bound]; None does not cut it.

    Returns:
        The images there, and the noise in them.

    Examples:
        >>> x, noise = jnp.array([[0.6]]), jnp.array([[1.0]])
        >>> there, _ = moved(x, noise, jnp.float32(0.64), jnp.float32(0.36))
        >>> back, _ = moved(there, noise, jnp.float32(0.36), jnp.float32(0.64))
        >>> print(there.round(3), back.round(3))
        [[0.8]] [[0.6]]
    """
    inside = (images - jnp.sqrt(1 - share) * noise) / jnp.sqrt(share)
    if bound is not None:
        inside = jnp.clip(inside, -bound, bound)
        noise = (images - jnp.sqrt(share) * inside) / jnp.sqrt(1 - share)
    return jnp.sqrt(other) * inside + jnp.sqrt(1 - other) * noise, noise


def denoised(
    predict: Predict,
    start: Images,
    shares: Float[np.ndarray, " steps"],
    *,
    sampling_steps: int | None = None,
    eta: float = 0.0,
    key: Key[Array, ""] | None = None,
    bound: float | None = None,
) -> Images:
    r"""Denoises images over falling timesteps; a last step removes all noise.

    Args:
        predict: the denoiser.
        start: Gaussian noise.
        shares: the schedule's \(\bar\alpha_t\).
        sampling_steps: how many of the timesteps are visited, at equal distances; None for all.
        eta: how much of the noise is drawn afresh: 0 is DDIM, 1 over all timesteps ancestral
            sampling with the variance \(\tilde\beta_t\).
        key: the randomness of drawing; needed unless eta is 0.
        bound: see `moved`.

    Raises:
        ValueError: if there are fewer timesteps than sampling steps, or a key is missing.

    References:
        Song, Meng and Ermon, "Denoising Diffusion Implicit Models", ICLR 2021,
        https://arxiv.org/abs/2010.02502

    Examples:
        A denoiser of images that are all 0.5 knows the noise exactly:

        >>> shares = np.array([0.9, 0.5, 0.1])
        >>> def predict(x, t):
        ...     own = jnp.asarray(shares, jnp.float32)[t]
        ...     return (x - jnp.sqrt(own) * 0.5) / jnp.sqrt(1 - own)
        >>> print(denoised(predict, jnp.array([[1.0], [-2.0]]), shares).round(3).tolist())
        [[0.5], [0.5]]
    """
    fraction(eta=eta)
    steps = len(shares)
    count = steps if sampling_steps is None else sampling_steps
    if not 1 <= count <= steps:
        raise Refused(f"sampling_steps must be from 1 to the {steps} timesteps, got {count}")
    if eta > 0 and key is None:
        raise Refused("sampling with eta above 0 needs a key")
    times = np.unique(np.round(np.linspace(0, steps - 1, count)).astype(int))[::-1]
    if count == 1:
        times = np.array([steps - 1])
    here = jnp.asarray(shares[times], jnp.float32)
    there = jnp.append(here[1:], jnp.float32(1.0))

    def step(images: Images, at: tuple[Any, ...]) -> tuple[Images, None]:
        timestep, share, other, number = at
        noise = predict(images, timestep)
        if eta == 0:
            return moved(images, noise, share, other, bound)[0], None
        assert key is not None
        clean, noise = moved(images, noise, share, jnp.float32(1.0), bound)
        variance = eta**2 * (1 - other) / (1 - share) * (1 - share / other)
        drawn = jax.random.normal(jax.random.fold_in(key, number), images.shape)
        kept = jnp.sqrt(jnp.maximum(1 - other - variance, 0.0)) * noise
        return jnp.sqrt(other) * clean + kept + jnp.sqrt(variance) * drawn, None

    order = (jnp.asarray(times, jnp.int32), here, there, jnp.arange(len(times)))
    return jax.lax.scan(step, start, order)[0]
