"""Inputs rebuilt from the gradient of a dense layer: exactly, and with the error that is said."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.models import mlp
from pptp_jax.privacy import reconstruction_error, restored_input
from pptp_jax.validation import Refused


def test_a_network_s_gradient_holds_its_input():
    model, x = mlp([6], num_classes=3), jnp.linspace(-1, 2, 5)
    own = model.init(jax.random.key(0), x[None])

    def loss(params):
        logits, _ = model.apply(params, own.state, x[None], train=False, key=None)
        return -jax.nn.log_softmax(logits)[0, 1]

    stem = jax.grad(loss)(own.params)["stem"]
    np.testing.assert_allclose(restored_input(stem["kernel"], stem["bias"]), x, atol=1e-5)


def test_the_error_is_that_of_many_noisy_gradients():
    rng = np.random.default_rng(0)
    x, delta, stddev = rng.normal(size=4), rng.normal(size=7), 0.3
    rebuilt = [
        restored_input(np.outer(x, delta) + stddev * rng.normal(size=(4, 7)), delta)
        for _ in range(4000)
    ]
    expected = reconstruction_error(stddev, delta)
    np.testing.assert_allclose(np.std(rebuilt, axis=0), expected, rtol=0.06)
    np.testing.assert_allclose(np.mean(rebuilt, axis=0), x, atol=5 * expected / 4000**0.5)


def test_an_example_without_a_gradient_cannot_be_rebuilt():
    assert reconstruction_error(1.0, jnp.zeros(3)) == np.inf
    assert reconstruction_error(0.0, np.ones(4)) == 0
    with pytest.raises(Refused, match="the gradient of the bias is zero"):
        restored_input(np.ones((2, 3)), np.zeros(3))


def test_shapes_that_disagree_are_refused():
    with pytest.raises(Refused, match=r"gradients of shape \(2, 3\) and \(2,\)"):
        restored_input(np.ones((2, 3)), np.ones(2))
    with pytest.raises(Refused, match="noise_stddev must be"):
        reconstruction_error(-1.0, np.ones(2))
