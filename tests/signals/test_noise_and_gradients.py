"""Disturbed inputs and the gradients by the inputs, against what linear models are known to do."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear import MODEL, linear
from scipy.special import softmax
from scipy.stats import norm

from pptp_jax.data import Arrays, Dataset
from pptp_jax.models import Variables
from pptp_jax.signals import input_gradient_norm, noisy_correct

KEY = jax.random.key(0)


def test_the_gradient_by_the_inputs() -> None:
    fleet, data, w, x, y = linear()
    found = np.asarray(input_gradient_norm(MODEL, fleet, data, jnp.arange(3, 20)))
    for own, weights in zip(found, w, strict=True):
        p = softmax(x @ weights, axis=1)
        gradients = (p - np.eye(2)[y]) @ weights.T
        np.testing.assert_allclose(
            own, np.linalg.norm(gradients, axis=1)[3:20], rtol=1e-4, atol=1e-6
        )


def test_gaussian_noise_crosses_a_plane_as_often_as_it_should() -> None:
    fleet, data, w, x, y = linear()
    found = np.asarray(
        noisy_correct(MODEL, fleet, data, jnp.arange(40), KEY, stddev=0.7, draws=400)
    )
    for own, weights in zip(found, w, strict=True):
        normal = weights[:, 1] - weights[:, 0]
        side = np.where(y == 1, 1, -1) * (x @ normal) / np.linalg.norm(normal)
        np.testing.assert_allclose(own, norm.cdf(side / 0.7), atol=0.1)


def test_flipped_bits() -> None:
    """A model that reads one bit is right unless just that bit is flipped."""
    x = np.random.default_rng(1).integers(2, size=(30, 5)).astype(np.float32)
    data = Arrays.of(Dataset("bits", x, x[:, 0].astype(int), np.arange(30), 2))
    w = np.zeros((1, 5, 2), np.float32)
    w[0, 0] = [-1, 1]
    reads_one = Variables({"w": jnp.asarray(w)}, {})

    def apply(p, state, x, *, train, key):
        return (x - 0.5) @ p["w"], state

    model = replace(MODEL, apply=apply)
    share = noisy_correct(model, reads_one, data, jnp.arange(30), KEY, flips=0.2, draws=500)
    np.testing.assert_allclose(share, 0.8, atol=0.08)
    untouched = noisy_correct(model, reads_one, data, jnp.arange(30), KEY, flips=0.0, draws=3)
    np.testing.assert_array_equal(untouched, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 0}, "draws must be an integer of at least 1"),
        ({"flips": 1.2}, "flips must lie between 0 and 1"),
        ({"stddev": 0.0}, "stddev must be a finite number above 0"),
    ],
)
def test_bad_options(options, message: str) -> None:
    fleet, data, _, _, _ = linear()
    with pytest.raises(ValueError, match=message):
        noisy_correct(MODEL, fleet, data, jnp.arange(3), KEY, **options)
