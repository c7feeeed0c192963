"""Eigenvalues of the input Hessian, against all of it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from pptp_jax.robustness import input_curvature

RNG = np.random.default_rng(0)
FIRST = jnp.asarray(RNG.normal(size=(12, 16)), jnp.float32) / 3
SECOND = jnp.asarray(RNG.normal(size=(16, 4)), jnp.float32)
X = jnp.asarray(RNG.normal(size=(6, 3, 4)), jnp.float32)
LABELS = jnp.asarray(RNG.integers(0, 4, size=6))
KEY = jax.random.key(0)


def network(x):
    return jnp.tanh(x.reshape(len(x), -1) @ FIRST) @ SECOND


def largest(predict, labels, **how) -> np.ndarray:
    return np.asarray(jax.jit(partial(input_curvature, predict, **how))(X, labels, KEY))


def exact(predict, x, labels) -> np.ndarray:
    """All eigenvalues of the Hessian of the plain cross-entropy, largest first."""

    def loss(flat, label):
        return -jax.nn.log_softmax(predict(flat.reshape(1, *x.shape[1:]))[0])[label]

    hessians = jax.jit(jax.vmap(jax.hessian(loss)))(x.reshape(len(x), -1), labels)
    return np.linalg.eigvalsh(np.asarray(hessians, float))[:, ::-1]


def test_as_many_products_as_inputs_give_all_eigenvalues() -> None:
    found = largest(network, LABELS, count=12)
    np.testing.assert_allclose(found, exact(network, X, LABELS), atol=2e-4)


def test_few_products_give_the_largest_and_never_more() -> None:
    expected = exact(network, X, LABELS)[:, :2]
    found = largest(network, LABELS, count=2, products=9)
    np.testing.assert_allclose(found, expected, rtol=2e-2, atol=1e-3)
    for products in (2, 4):
        found = largest(network, LABELS, count=2, products=products)
        assert (found <= expected + 1e-4).all()


def test_a_space_that_products_do_not_leave_and_equal_eigenvalues() -> None:
    """A linear model of two classes has one eigenvalue, p (1 - p) |w|², and zeros."""
    weights = jnp.zeros((12, 2)).at[:, 0].set(jnp.arange(12.0) / 10)
    found = largest(lambda x: x.reshape(len(x), -1) @ weights, LABELS % 2, count=3)
    logits = np.asarray(X.reshape(6, -1) @ weights)
    p = np.exp(log_softmax(logits, axis=1))
    expected = p[:, 0] * p[:, 1] * float(jnp.square(weights).sum())
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-3)
    np.testing.assert_allclose(found[:, 1:], 0, atol=1e-4)


def test_a_flat_loss_has_none() -> None:
    found = largest(lambda x: 0 * x.reshape(len(x), -1)[:, :3], LABELS % 3, count=2)
    np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "count must be an integer of at least 1, got 0"),
        ({"count": 13}, r"count must be at most the number of products and of inputs \(12\)"),
        ({"count": 3, "products": 2}, r"products and of inputs \(2\), got 3"),
    ],
)
def test_profiles_that_cannot_be(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        input_curvature(network, X, LABELS, KEY, **change)


def test_inputs_of_half_precision_are_looked_at_in_single() -> None:
    half = X.astype(jnp.bfloat16)
    found = input_curvature(network, half, LABELS, KEY)
    np.testing.assert_array_equal(found, input_curvature(network, np.float32(half), LABELS, KEY))
    assert input_curvature(network, X[:0], LABELS[:0], KEY).shape == (0, 1)
