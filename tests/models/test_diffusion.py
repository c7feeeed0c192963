"""Sampling by denoisers that are known exactly, and diffusion models of networks."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.models import Model, Variables, ddpm, denoising_mlp
from pptp_jax.models.ddim import denoised, moved
from pptp_jax.tasks.noise_schedule import signal_shares

SHARES = signal_shares("cosine", 100)
START = jax.random.normal(jax.random.key(0), (4000, 2))
MEAN, DEVIATION = np.array([0.4, -0.2], np.float32), np.array([0.3, 0.1], np.float32)
POINTS, WEIGHTS = np.array([[-0.5, 0.0], [0.5, 0.2], [0.1, -0.6]], np.float32), [0.5, 0.3, 0.2]


def of_gaussian(x, t):
    """The noise in x by the exact score of a Gaussian with independent numbers."""
    left = jnp.asarray(SHARES, jnp.float32)[t]
    variance = left * jnp.square(jnp.asarray(DEVIATION)) + 1 - left
    return jnp.sqrt(1 - left) * (x - jnp.sqrt(left) * MEAN[None]) / variance[None]


def of_points(x, t):
    """The noise in x by the exact score of a few points."""
    left = jnp.asarray(SHARES, jnp.float32)[t]
    off = x[:, None] - jnp.sqrt(left) * jnp.asarray(POINTS)[None]
    scores = jnp.log(jnp.asarray(WEIGHTS, jnp.float32))[None]
    scores -= jnp.square(off).sum(-1) / (2 * (1 - left))
    return (jax.nn.softmax(scores)[..., None] * off).sum(1) / jnp.sqrt(1 - left)


@pytest.mark.parametrize(
    "settings", [{}, {"sampling_steps": 50}, {"eta": 1.0}, {"eta": 0.5}], ids=str
)
def test_samples_of_a_gaussian_have_its_moments(settings) -> None:
    found = np.asarray(denoised(of_gaussian, START, SHARES, key=jax.random.key(1), **settings))
    np.testing.assert_allclose(found.mean(0), MEAN, atol=0.03)
    np.testing.assert_allclose(found.std(0), DEVIATION, rtol=0.1, atol=0.015)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_samples_of_points_are_these_points(eta: float) -> None:
    found = np.asarray(denoised(of_points, START, SHARES, eta=eta, key=jax.random.key(1)))
    distances = np.linalg.norm(found[:, None] - POINTS[None], axis=-1)
    assert np.quantile(distances.min(1), 0.99) < 0.02
    np.testing.assert_allclose(np.bincount(distances.argmin(1)) / 4000, WEIGHTS, atol=0.04)


def test_ddim_goes_there_and_back() -> None:
    """The deterministic way from images to noise is that of sampling, taken the other way."""
    shares = signal_shares("cosine", 1000)[:900]
    exact = jnp.asarray(MEAN)[None] + jnp.asarray(DEVIATION)[None] * START[:50]
    variance = lambda left: left * DEVIATION**2 + 1 - left  # noqa: E731

    def noise(x, left):
        off = x - np.sqrt(left) * MEAN[None]
        return np.sqrt(1 - left) * off / variance(left)[None]

    x = np.asarray(exact, np.float64)
    for here, there in pairwise(shares):
        inside = (x - np.sqrt(1 - here) * noise(x, here)) / np.sqrt(here)
        x = np.sqrt(there) * inside + np.sqrt(1 - there) * noise(x, here)

    def predict(x, t):
        left = jnp.asarray(shares, jnp.float32)[t]
        spread = left * jnp.square(jnp.asarray(DEVIATION)) + 1 - left
        return jnp.sqrt(1 - left) * (x - jnp.sqrt(left) * MEAN[None]) / spread[None]

    back = denoised(predict, jnp.asarray(x, jnp.float32), shares)
    np.testing.assert_allclose(back, exact, atol=0.02)


def test_one_step_is_undone_by_the_same_noise() -> None:
    x, noise = START[:5], START[5:10]
    here, there = jnp.float32(0.7), jnp.float32(0.2)
    moved_there, same = moved(x, noise, here, there)
    np.testing.assert_array_equal(same, noise)
    np.testing.assert_allclose(moved(moved_there, noise, there, here)[0], x, atol=1e-5)


def test_images_inside_are_cut_to_their_bound() -> None:
    found, noise = moved(jnp.array([[3.0]]), jnp.array([[0.0]]), *map(jnp.float32, (0.64, 1)), 1.0)
    np.testing.assert_allclose(found, [[1.0]])
    np.testing.assert_allclose(noise, [[(3 - 0.8) / 0.6]], rtol=1e-6)


def test_a_model_draws_the_class_that_it_is_given() -> None:
    """A network that knows one image a class draws these images, in the inputs' own scale."""
    images = np.linspace(0, 255, 12, dtype=np.float32).reshape(3, 2, 2, 1)

    def apply(params, state, seen, *, train, key):
        left = jnp.asarray(SHARES, jnp.float32)[seen.timesteps][:, None, None, None]
        own = jnp.asarray(images)[seen.labels] / 127.5 - 1
        return (seen.inputs - jnp.sqrt(left) * own) / jnp.sqrt(1 - left), state

    network = Model(init=lambda key, x: Variables({}, {}), apply=apply)
    model = ddpm(network, steps=100, shape=(2, 2, 1), high=255.0)
    drawn = model.sample({}, {}, jax.random.key(0), jnp.array([2, 0, 1, 2]))
    np.testing.assert_allclose(drawn, images[[2, 0, 1, 2]], atol=0.1)


def test_a_perceptron_begins_by_saying_nothing_and_trains_in_part() -> None:
    model = ddpm(denoising_mlp([8, 8, 8], num_classes=2, dropout=0.5), shape=(4,), steps=5)
    x = jnp.ones((3, 4))
    variables = model.init(jax.random.key(0), x)
    assert [block.name for block in model.blocks] == [
        "embedding",
        "stem",
        "stage1",
        "stage2",
        "head",
    ]
    assert [part.name for part in model.parts] == ["down", "middle", "up"]
    assert (np.asarray(variables.params["head"]["kernel"]) == 0).all()
    assert set(variables.params) == {block.name for block in model.blocks}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: denoised(of_gaussian, START, SHARES, sampling_steps=101), "from 1 to the 100"),
        (lambda: denoised(of_gaussian, START, SHARES, eta=0.5), "needs a key"),
        (lambda: denoised(of_gaussian, START, SHARES, eta=1.5), "eta"),
        (lambda: denoising_mlp([], num_classes=3), "hidden_layers must be"),
        (
            lambda: ddpm(denoising_mlp([8], num_classes=3), shape=(4,)).init(
                jax.random.key(0), jnp.ones((1, 5))
            ),
            r"images of shape \(4,\), got \(5,\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
