"""Inputs restored from gradients by descent, against the closed form and the loss they minimise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.data import Arrays, Digits
from pptp_jax.models import mlp
from pptp_jax.privacy import restore_by_descent, restored_input, total_variation
from pptp_jax.regions import protect, region_vectors
from pptp_jax.signals import example_gradients
from pptp_jax.validation import Refused

DIGITS = Arrays.of(Digits().load(lambda n: np.arange(20)))
X, Y = DIGITS.inputs(slice(3, 4)), DIGITS.y[3:4]


def gradient_of(model, network):
    """What a client with one example sends, as a function of its inputs; the label is known."""

    def loss(params, x):
        outputs, _ = model.apply(params, network.state, x, train=False, key=None)
        return -jax.nn.log_softmax(outputs)[0, Y[0]]

    return lambda x: jax.grad(loss)(network.params, x)


def network_of(model):
    return model.init(jax.random.key(1), X)


def test_descent_finds_what_the_closed_form_finds():
    model = mlp([12], num_classes=10)
    sent = gradient_of(model, network_of(model))
    stem = sent(X)["stem"]
    exact = restored_input(np.asarray(stem["kernel"]), np.asarray(stem["bias"]))
    np.testing.assert_allclose(exact, np.asarray(X).ravel(), atol=1e-5)
    found = restore_by_descent(sent, sent(X), jnp.full(X.shape, 0.5), match="squared", steps=400)
    assert np.abs(np.asarray(found.inputs) - X).mean() < 0.02


def test_a_convolution_has_no_closed_form_and_gives_its_input_away():
    first, second = jax.random.split(jax.random.key(0))
    params = {
        "stem": jax.random.normal(first, (3, 3, 1, 4)) / 3,
        "head": jax.random.normal(second, (256, 10)) / 16,
    }

    def loss(params, x):
        layout = ("NHWC", "HWIO", "NHWC")
        hidden = jax.lax.conv_general_dilated(
            x, params["stem"], (1, 1), "SAME", dimension_numbers=layout
        )
        return -jax.nn.log_softmax(jnp.tanh(hidden).reshape(-1) @ params["head"])[Y[0]]

    def sent(x):
        return jax.grad(loss)(params, x)

    start = jnp.full(X.shape, 0.5)
    grey = np.abs(0.5 - np.asarray(X)).mean()
    for region, most in (("head", 0.1), ("stem", 0.8)):  # the kernel has 36 numbers for 64 pixels

        def own(x, region=region):
            return sent(x)[region]

        found = restore_by_descent(own, own(X), start, smoothness=1e-3, steps=300)
        assert np.abs(np.asarray(found.inputs) - X).mean() < most * grey
        assert found.objective.min() < 0.1 * found.objective[0]
    assert float(found.inputs.min()) >= 0 and float(found.inputs.max()) <= 1


def test_the_best_step_is_returned():
    def sent(x):
        return {"w": x}

    target = jnp.array([0.3, 0.6], jnp.float32)
    found = restore_by_descent(
        sent, sent(target), jnp.array([0.9, 0.1]), match="squared", learning_rate=0.2, steps=25
    )
    of_inputs = float(jnp.square(found.inputs - target).sum() / jnp.square(target).sum())
    assert of_inputs == pytest.approx(float(found.objective.min()), rel=1e-5)


def test_total_variation_is_that_of_neighbours():
    image = np.random.default_rng(0).random((5, 4, 2)).astype(np.float32)
    down = [abs(image[i + 1, j] - image[i, j]) for i in range(4) for j in range(4)]
    along = [abs(image[i, j + 1] - image[i, j]) for i in range(5) for j in range(3)]
    expected = (np.mean(down) + np.mean(along)) / 2
    assert float(total_variation(jnp.asarray(image))) == pytest.approx(expected, rel=1e-5)
    assert float(total_variation(jnp.ones((3, 3, 1)))) == 0


def test_gradients_of_examples_by_region():
    """One by one, in one vector a region, in the order of the leaves."""
    model = mlp([6, 5], num_classes=10)
    network, regions = network_of(model), protect("stem", model.blocks)
    found = example_gradients(model, network, DIGITS, jnp.arange(3, 6))
    alone = gradient_of(model, network)(X)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, atol=1e-6), found, alone)
    vectors = region_vectors(found, regions, leading=1)
    assert {k: v.shape for k, v in vectors.items()} == {
        "protect": (3, 64 * 6 + 6),
        "general": (3, 6 * 5 + 5 + 5 * 10 + 10),
        "all": (3, 64 * 6 + 6 + 6 * 5 + 5 + 5 * 10 + 10),
    }
    stem = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(alone["stem"])])
    np.testing.assert_allclose(vectors["protect"][0], stem, atol=1e-6)


def test_bad_input_is_refused():
    start = jnp.full(2, 0.5)

    def attack(sent=lambda x: x, observed=start, **options):
        return restore_by_descent(sent, observed, start, **options)

    with pytest.raises(Refused, match=r"observed must have the shapes .* \[\(2,\)\], got"):
        attack(observed=jnp.ones(3))
    with pytest.raises(Refused, match="what was observed is zero"):
        attack(observed=jnp.zeros(2))
    with pytest.raises(Refused, match="match 'angle' is unknown"):
        attack(match="angle")
    with pytest.raises(Refused, match="bounds must be the least and the largest"):
        attack(bounds=(1.0, 0.0))
    with pytest.raises(Refused, match="smoothness must"):
        attack(smoothness=-1.0)
    with pytest.raises(Refused, match="steps must be an integer of at least 1"):
        attack(steps=0)
    with pytest.raises(Refused, match="what was observed must be finite"):
        attack(observed=jnp.array([0.5, jnp.nan]))
    with pytest.raises(Refused, match="start must lie within the bounds, 1 to 2"):
        attack(bounds=(1.0, 2.0))
    with pytest.raises(Refused, match=r"smoothness needs images .* got a start of shape \(2,\)"):
        attack(smoothness=0.1)
