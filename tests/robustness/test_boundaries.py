"""Distances to the decision boundary: closed forms of planes, and a search without gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pptp_jax.robustness import input_curvature, nearest_boundary
from pptp_jax.validation import Refused

RNG = np.random.default_rng(0)
FIRST = RNG.normal(size=(3, 12)).astype(np.float32)
SECOND = RNG.normal(size=(12, 3)).astype(np.float32)


@jax.jit
def of_planes(weights, biases, x, labels):
    return nearest_boundary(lambda x: x @ weights + biases[None], x, labels, steps=3)


@given(seed=st.integers(0, 2**31 - 1), scale=st.sampled_from([1e-3, 1.0, 1e3]))
@settings(max_examples=20, deadline=None)
def test_planes_have_their_closed_form(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    weights = scale * rng.normal(size=(5, 4)).astype(np.float32)
    biases = scale * rng.normal(size=4).astype(np.float32)
    x = rng.normal(size=(6, 5)).astype(np.float32)
    logits = x @ weights + biases
    labels = np.where(np.arange(6) < 5, logits.argmax(axis=1), logits.argmin(axis=1))
    found = of_planes(weights, biases, x, labels)
    for i, label in enumerate(labels[:5]):
        others = [k for k in range(4) if k != label]
        normals = weights[:, [label]] - weights[:, others]
        expected = ((logits[i, label] - logits[i, others]) / np.linalg.norm(normals, axis=0)).min()
        assert found.linear[i] == pytest.approx(expected, rel=1e-3, abs=1e-5)
        assert found.found[i] == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert found.linear[5] == found.found[5] == 0  # the label is wrong from the start


def network(x):
    return jnp.tanh(x @ FIRST) @ SECOND


def naive_distance(x: np.ndarray, label: int, steps: int = 30) -> float:
    """DeepFool as a plain loop, with differences in place of gradients, in float64."""

    def margins(at: np.ndarray) -> np.ndarray:
        logits = np.tanh(at @ FIRST.astype(float)) @ SECOND.astype(float)
        return logits - logits[label]

    at = x.astype(float)
    for _ in range(steps):
        if margins(at).argmax() != label:
            break
        slopes = np.stack(
            [(margins(at + e) - margins(at - e)) / 2e-6 for e in 1e-6 * np.eye(len(x))], axis=1
        )
        ways = {k: -margins(at)[k] / np.linalg.norm(slopes[k]) for k in range(3) if k != label}
        k = min(ways, key=ways.__getitem__)
        at = at + (1.02 * ways[k] + 1e-6) * slopes[k] / np.linalg.norm(slopes[k])
    if margins(at).argmax() == label:
        return float("inf")
    near, far = 0.0, 1.0
    for _ in range(40):
        middle = (near + far) / 2
        over = margins(x + middle * (at - x)).argmax() != label
        near, far = (near, middle) if over else (middle, far)
    return far * float(np.linalg.norm(at - x))


def test_a_network_against_a_plain_loop_and_against_random_directions() -> None:
    x = RNG.normal(size=(20, 3)).astype(np.float32)
    labels = np.asarray(network(x)).argmax(axis=1)
    found = jax.jit(partial(nearest_boundary, network))(x, labels)
    expected = [naive_distance(own, label) for own, label in zip(x, labels, strict=True)]
    np.testing.assert_allclose(found.found, expected, rtol=2e-2)
    # No search finds what is nearer than the nearest of many directions by much, nor beyond it.
    towards = RNG.normal(size=(2000, 3))
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    lengths = np.linspace(0.01, 4, 400)
    for i in range(20):
        ends = x[i] + lengths[:, None, None] * towards[None]
        wrong = (np.tanh(ends @ FIRST) @ SECOND).argmax(axis=-1) != labels[i]
        nearest = lengths[wrong.any(axis=1)].min()
        assert 0.95 * nearest - 0.02 < found.found[i] < 2 * nearest + 0.02


def test_no_point_leaves_the_range_and_none_may_be_found() -> None:
    weights, x = jnp.array([[1.0, 0.0], [1.0, 0.0]]), jnp.array([[0.0, 0.6], [0.9, 0.9]])

    def predict(x):
        return x @ weights - jnp.array([[0.3, 0.0]])

    labels = jnp.zeros(2, jnp.int32)
    search = jax.jit(partial(nearest_boundary, predict))
    free = search(x, labels)
    np.testing.assert_allclose(free.found, [0.3 / 2**0.5, 1.5 / 2**0.5], rtol=1e-3)
    cut = search(x, labels, low=0.0, high=1.0)
    np.testing.assert_allclose(cut.linear, free.linear)
    # The first entry cannot fall below 0, so that the second goes all the way.
    np.testing.assert_allclose(cut.found, [0.3, 1.5 / 2**0.5], rtol=1e-3)
    locked = search(x, labels, low=0.5, high=1.0)
    assert np.isinf(locked.found[1])


def test_flat_logits_have_no_boundary() -> None:
    found = of_planes(jnp.zeros((2, 2)), jnp.array([1.0, 0.0]), jnp.ones((1, 2)), jnp.array([0]))
    assert np.isinf(found.linear[0]) and np.isinf(found.found[0])
    with pytest.raises(ValueError, match="steps must be an integer of at least 1, got 0"):
        nearest_boundary(network, jnp.ones((1, 3)), jnp.array([0]), steps=0)


def test_inputs_of_half_precision_are_searched_in_single() -> None:
    x, labels = jnp.ones((2, 3), jnp.bfloat16), jnp.zeros(2, int)
    found = of_planes(jnp.eye(3) - 1, jnp.array([1.0, 0.0, 0.0]), x, labels)
    np.testing.assert_allclose(found.found, np.full(2, 0.5**0.5), rtol=1e-4)


def test_what_is_no_number_has_no_distance() -> None:
    weights, biases = jnp.asarray(FIRST[:, :4]), jnp.zeros(4)
    x = jnp.ones((2, 3)).at[1, 0].set(jnp.nan)
    found = of_planes(weights, biases, x, (x @ weights).argmax(axis=1))
    for distances in found:
        assert jnp.isfinite(distances[0]) and jnp.isnan(distances[1])
    broken = of_planes(weights.at[:, 3].set(jnp.nan), biases, jnp.ones((2, 3)), jnp.zeros(2, int))
    assert jnp.isnan(broken.linear).all() and jnp.isnan(broken.found).all()


@pytest.mark.parametrize(
    ("x", "labels", "weight", "message"),
    [
        (jnp.nan, 0, 1.0, "inputs must be finite numbers, .* in 1 of 2 examples, the first is 1"),
        (1.0, 4, 1.0, "labels must be the classes 0 to 3, got 4 of example 1"),
        (1.0, -1, 1.0, "labels must be the classes 0 to 3, got -1 of example 1"),
        (1.0, 0, jnp.nan, "the model answers NaN in 2 of 2 examples, the first is 0"),
    ],
)
def test_searches_refuse_what_they_cannot_judge(
    x: float, labels: int, weight: float, message: str
) -> None:
    weights = jnp.asarray(FIRST[:, :4]).at[0, 3].multiply(weight)
    given = jnp.ones((2, 3)).at[1, 0].set(x), jnp.array([0, labels])
    with pytest.raises(Refused, match=message):
        nearest_boundary(lambda x: x @ weights, *given)
    with pytest.raises(Refused, match=message):
        input_curvature(lambda x: x @ weights, *given, jax.random.key(0))
