"""Image corruptions of CIFAR-10-C: noise, blur, low contrast, JPEG."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from pptp_jax.validation import Refused, one_of, python_number

Corruption = Literal["gaussian_noise", "blur", "contrast", "jpeg"]
CORRUPTIONS: tuple[Corruption, ...] = get_args(Corruption)
SEVERITIES = (1, 2, 3, 4, 5)

# By severity, those of CIFAR-10-C: the deviation of noise as a share of the range, that of the
# blur in pixels, the share of contrast that is left, the quality of JPEG.
STRENGTHS = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "blur": (0.4, 0.6, 0.7, 0.8, 1.0),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "jpeg": (80.0, 65.0, 58.0, 50.0, 40.0),
}

# The quantisation of luminance at quality 50, as in annex K of the standard.
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)

Images = Float[Array, "batch height width channels"]


def corrupted(
    x: Images,
    kind: Corruption,
    severity: int | Int[Array, ""],
    keys: Key[Array, " batch"],
    low: float | Float[Array, ""],
    high: float | Float[Array, ""],
) -> Images:
    """Images at a severity of CIFAR-10-C, in one compiled program for all five.

    `gaussian_noise` draws once for each key and scales the draw. `blur` is Gaussian, with mirrored
    borders. `contrast` draws each channel towards its mean. `jpeg` rounds the coefficients of 8×8
    blocks; it is like JPEG in that alone: every channel is quantised as luminance is, without
    another colour space and without smaller chroma. Sides that are no multiple of 8 are filled up
    with copies of the last row and column, also those of images smaller than 8 pixels, and cut off
    again.

    Args:
        x: the images, within the range.
        kind: one of `CORRUPTIONS`.
        severity: 1 to 5.
        keys: one for each example; noise depends on them alone.
        low: the least that an input may be.
        high: the most.

    Raises:
        ValueError: if there is no such kind, the severity is none, the inputs are no images, or the
            keys are not as many.

    References:
        Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
        Perturbations", ICLR 2019, https://arxiv.org/abs/1903.12261

    Examples:
        >>> image = jnp.linspace(0.0, 1.0, 64).reshape(1, 8, 8, 1)
        >>> keys = jax.random.split(jax.random.key(0), 1)
        >>> found = corrupted(image, "contrast", 5, keys, 0.0, 1.0)
        >>> print(*(f"{float(x):.3f}" for x in (found.mean().round(3), found.max().round(3))))
        0.500 0.575
    """
    one_of(CORRUPTIONS, corruption=kind)
    check_image(x.shape[1:])
    if not isinstance(severity, jax.core.Tracer):
        check_severity(severity=python_number(severity))
    if keys.shape != x.shape[:1]:
        raise Refused(f"keys must be one an image, {len(x)}, got shape {keys.shape}")
    strength = jnp.asarray(STRENGTHS[kind])[jnp.asarray(severity) - 1]
    if kind == "gaussian_noise":
        noise = jax.vmap(lambda key: jax.random.normal(key, x.shape[1:]))(keys)
        found = x + strength * (high - low) * noise
    elif kind == "blur":
        found = blurred(x, strength)
    elif kind == "contrast":
        mean = x.mean(axis=(1, 2), keepdims=True)
        found = mean + strength * (x - mean)
    else:
        unit = (high - low) / 255
        found = low + unit * quantised((x - low) / unit, _table(strength))
    return jnp.clip(found, low, high)


def check_severity(**severities: int) -> None:
    """Refuses a severity that is not one of the five.

    Raises:
        ValueError: naming it.
    """
    for name, severity in severities.items():
        if type(severity) is not int or severity not in SEVERITIES:
            raise Refused(f"{name} must be an integer from 1 to 5, got {severity!r}")


def check_image(shape: tuple[int, ...]) -> None:
    """Refuses inputs that are not images.

    Args:
        shape: that of one input.

    Raises:
        ValueError: if it is not (height, width, channels).
    """
    if len(shape) != 3:
        raise Refused(
            f"corruptions are of images (height, width, channels); these inputs have shape {shape}"
        )


def blurred(x: Images, stddev: float | Float[Array, ""]) -> Images:
    """Images after a Gaussian blur with mirrored borders, which keeps the mean.

    Each cosine of the image is damped by exp(−σ²ω²/2), so that a wider blur always takes more.

    Args:
        x: the images.
        stddev: σ, in pixels.

    Examples:
        >>> flat = jnp.ones((1, 4, 4, 1))
        >>> bool(jnp.allclose(blurred(flat, 1.0), flat))
        True
    """
    for axis in (1, 2):
        size = x.shape[axis]
        basis = cosines(size)
        frequencies = jnp.asarray(np.pi * np.arange(size) / size, jnp.float32)
        damped = jnp.exp(-jnp.square(stddev * frequencies) / 2)
        smooth = basis.T @ (damped[:, None] * basis)
        x = jnp.moveaxis(jnp.tensordot(smooth, x, axes=(1, axis)), 0, axis)
    return x


def quantised(x: Images, table: Float[Array, "8 8"]) -> Images:
    """Images from 0 to 255 whose cosine coefficients in 8×8 blocks are rounded to multiples.

    Args:
        x: the images.
        table: of what each coefficient becomes a multiple; where it is 0 nothing is rounded.

    Examples:
        >>> flat = jnp.full((1, 8, 8, 1), 200.0)
        >>> print(quantised(flat, jnp.full((8, 8), 100.0))[0, 0, 0].round(1))
        [203.]
    """
    count, height, width, channels = x.shape
    fill = ((0, 0), (0, -height % 8), (0, -width % 8), (0, 0))
    whole = jnp.pad(x - 128, fill, mode="edge")
    blocks = whole.reshape(count, whole.shape[1] // 8, 8, whole.shape[2] // 8, 8, channels)
    basis = cosines(8)
    coefficients = jnp.einsum("ui,vj,nhiwjc->nhuwvc", basis, basis, blocks)
    steps = table[None, None, :, None, :, None]
    rounded = jnp.round(coefficients / jnp.where(steps > 0, steps, 1.0)) * steps
    kept = jnp.where(steps > 0, rounded, coefficients)
    back = jnp.einsum("ui,vj,nhuwvc->nhiwjc", basis, basis, kept).reshape(whole.shape)
    return back[:, :height, :width] + 128


def cosines(size: int) -> Float[Array, "size size"]:
    """The orthonormal basis of the cosine transform (DCT-II), a row for each frequency.

    Args:
        size: how many pixels a side has.

    Examples:
        >>> print(jnp.round(cosines(2), 3))
        [[ 0.707  0.707]
         [ 0.707 -0.707]]
    """
    at = np.cos(np.pi * np.arange(size)[:, None] * (np.arange(size)[None] + 0.5) / size)
    at *= np.where(np.arange(size) == 0, 1, 2**0.5)[:, None] / size**0.5
    return jnp.asarray(at, jnp.float32)


def _table(quality: Float[Array, ""]) -> Float[Array, "8 8"]:
    """The quantisation at a quality from 1 to 100, as libjpeg scales it."""
    percent = jnp.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    return jnp.clip(jnp.floor((percent * LUMINANCE + 50) / 100), 1, 255)
