"""Corruptions by what must hold of them, and the cosine transform against SciPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.fft import dct, dctn, idctn
from scipy.ndimage import gaussian_filter

from pptp_jax.robustness import CORRUPTIONS, corrupted
from pptp_jax.robustness.corruption import LUMINANCE, SEVERITIES, blurred, cosines, quantised
from pptp_jax.validation import Refused

RNG = np.random.default_rng(0)
SHAPES = [(8, 8, 1), (28, 28, 1), (12, 16, 3), (5, 6, 1)]


def images(shape, count: int = 4) -> jnp.ndarray:
    """Smooth and noisy ones, within [0, 1]."""
    noise = RNG.random((count, *shape))
    smooth = gaussian_filter(noise, (0, 2, 2, 0))
    return jnp.asarray(np.clip(3 * (smooth - 0.5) + 0.4 + 0.2 * noise, 0, 1), jnp.float32)


@partial(jax.jit, static_argnums=1)
def at(x, kind, severity, seed):
    keys = jax.random.split(jax.random.key(seed), len(x))
    return corrupted(x, kind, severity, keys, 0.0, 1.0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_what_is_worse_changes_more_and_stays_in_the_range(kind, shape) -> None:
    x = images(shape, 64)
    found = [np.asarray(at(x, kind, severity, 0)) for severity in SEVERITIES]
    assert all(own.shape == x.shape and own.min() >= 0 and own.max() <= 1 for own in found)
    apart = [np.linalg.norm((own - x).reshape(len(x), -1), axis=1) for own in found]
    if kind == "jpeg":  # a coarser grid can have a point nearer to one coefficient
        apart = [own.mean(keepdims=True) for own in apart]
    assert (np.diff(apart, axis=0) > 0).all()
    np.testing.assert_array_equal(at(x, kind, 3, 0), found[2])  # the same each time
    if kind != "gaussian_noise":
        np.testing.assert_array_equal(at(x, kind, 3, 1), found[2])


def test_noise_is_gaussian_and_of_each_example() -> None:
    x = jnp.full((2000, 4, 4, 1), 0.5)
    found = np.asarray(at(x, "gaussian_noise", 5, 0)) - 0.5
    assert found.std() == pytest.approx(0.1, rel=0.02) and abs(found.mean()) < 2e-3
    keys = jax.random.split(jax.random.key(0), 2000)[7:8]
    alone = corrupted(x[7:8], "gaussian_noise", 5, keys, 0.0, 1.0)
    np.testing.assert_allclose(alone[0] - 0.5, found[7], atol=1e-6)


@pytest.mark.parametrize("kind", ["contrast", "blur"])
def test_the_mean_of_each_channel_stays(kind) -> None:
    x = images((12, 16, 3))
    found = at(x, kind, 4, 0)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), x.mean(axis=(1, 2)), atol=1e-5)


def test_contrast_is_a_share_of_the_deviation() -> None:
    x = images((8, 8, 1))
    found = at(x, "contrast", 5, 0)
    np.testing.assert_allclose(found.std(axis=(1, 2)), 0.15 * x.std(axis=(1, 2)), rtol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 8, 28])
def test_cosines_are_scipys_and_orthonormal(size: int) -> None:
    basis = np.asarray(cosines(size))
    np.testing.assert_allclose(basis, dct(np.eye(size), norm="ortho", axis=0), atol=1e-6)
    np.testing.assert_allclose(basis @ basis.T, np.eye(size), atol=1e-6)


def test_blur_is_that_of_scipy() -> None:
    x = images((28, 28, 1))
    expected = gaussian_filter(np.asarray(x, float), (0, 1.0, 1.0, 0), mode="reflect", truncate=8)
    np.testing.assert_allclose(blurred(x, 1.0), expected, atol=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_quantised_is_the_identity(shape) -> None:
    x = 255 * images(shape)
    np.testing.assert_allclose(quantised(x, jnp.zeros((8, 8))), x, atol=1e-3)


def test_blocks_are_quantised_as_a_plain_loop_does() -> None:
    x = 255 * images((11, 16, 2))
    filled = np.pad(np.asarray(x, float), ((0, 0), (0, 5), (0, 0), (0, 0)), mode="edge")
    expected = np.zeros_like(filled)
    for n, top, left, c in np.ndindex(len(x), 2, 2, 2):
        place = n, slice(8 * top, 8 * top + 8), slice(8 * left, 8 * left + 8), c
        coefficients = dctn(filled[place] - 128, norm="ortho")
        expected[place] = idctn(np.round(coefficients / LUMINANCE) * LUMINANCE, norm="ortho") + 128
    found = quantised(x, jnp.asarray(LUMINANCE))
    # A coefficient in the middle between two multiples may go either way.
    assert (np.abs(found - expected[:, :11]) < 0.05).mean() > 0.95


def test_corruptions_that_cannot_be() -> None:
    keys = jax.random.split(jax.random.key(0), 2)
    with pytest.raises(ValueError, match="corruption 'fog' is unknown"):
        corrupted(jnp.ones((2, 8, 8, 1)), "fog", 1, keys, 0.0, 1.0)
    with pytest.raises(ValueError, match="severity must be an integer from 1 to 5, got 6"):
        corrupted(jnp.ones((2, 8, 8, 1)), "blur", 6, keys, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"\(height, width, channels\); .* shape \(64,\)"):
        corrupted(jnp.ones((2, 64)), "blur", 1, keys, 0.0, 1.0)


@pytest.mark.parametrize("severity", [np.int64(9), np.int64(0), jnp.int32(6), True])
def test_a_severity_of_any_type_is_one_of_five(severity) -> None:
    image, keys = jnp.zeros((1, 8, 8, 1)), jax.random.split(jax.random.key(0), 1)
    with pytest.raises(Refused, match="severity must be an integer from 1 to 5, got"):
        corrupted(image, "blur", severity, keys, 0.0, 1.0)
    same = [corrupted(image, "blur", three, keys, 0.0, 1.0) for three in (3, np.int64(3))]
    np.testing.assert_array_equal(*same)


def test_each_image_has_its_own_key() -> None:
    images, keys = jnp.zeros((3, 8, 8, 1)), jax.random.split(jax.random.key(0), 1)
    with pytest.raises(Refused, match=r"keys must be one an image, 3, got shape \(1,\)"):
        corrupted(images, "gaussian_noise", 1, keys, 0.0, 1.0)
