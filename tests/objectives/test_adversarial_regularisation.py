"""The inference network: a step of it by hand, and that it finds what there is to find."""

import dataclasses

import jax
import jax.numpy as jnp
import naive_objectives as naive
import numpy as np
import pytest
from objective_cases import CLASSES, context_for, examples, in_float64, start

from pptp_jax.objectives import AdversarialRegularisation, Context

pytestmark = pytest.mark.usefixtures("compile_in_haste")
learn = jax.jit(lambda objective, *seen: objective.learn(*seen))
value = jax.jit(lambda objective, *seen: objective(*seen))
ONE_STEP = AdversarialRegularisation(weight=10.0, hidden=(5, 3), learning_rate=0.01)


def naive_adam(layers, gradients, rate):
    """Adam's first step: both moments are those of one gradient, with the bias taken off."""
    moved = []
    for pair, slopes in zip(layers, gradients, strict=True):
        moved.append([v - rate * g / (np.abs(g) + 1e-8) for v, g in zip(pair, slopes, strict=True)])
    return moved


def test_a_step_by_hand() -> None:
    logits, labels = examples(0)
    context = context_for(ONE_STEP, 0)
    ours = learn(ONE_STEP, logits, labels, context).layers

    z, y, seen = in_float64((logits, labels, context))
    layers = [list(pair) for pair in seen.state.layers]

    def slope(number: int, part: int) -> np.ndarray:
        def loss(values: np.ndarray) -> float:
            moved = [list(pair) for pair in layers]
            moved[number][part] = values
            return naive.inference_loss(moved, z, y, *seen.reference)

        return naive.differences(loss, layers[number][part])

    gradients = [[slope(number, part) for part in (0, 1)] for number in range(len(layers))]
    assert all(np.abs(slopes[0]).max() > 1e-4 for slopes in gradients)
    known = naive_adam(layers, gradients, rate=0.01)
    for pair, expected in zip(ours, known, strict=True):
        for value, number in zip(pair, expected, strict=True):
            np.testing.assert_allclose(value, number, atol=1e-4)


def test_three_steps_of_a_fleet_are_three_times_one_of_each_network() -> None:
    keys = jax.random.split(jax.random.key(0), 2)
    states = jax.vmap(start, (None, 0))(ONE_STEP, keys)
    assert float(jnp.abs(jnp.diff(states.layers[0][0], axis=0)).max()) > 0.1
    logits, labels = examples(1)
    context = context_for(ONE_STEP, 0)
    three = dataclasses.replace(ONE_STEP, steps=3)
    in_axes = (None, None, None, Context(epoch=None, teacher=None, reference=None, state=0))
    together = jax.vmap(learn, in_axes)(three, logits, labels, context._replace(state=states))
    for network in range(2):
        repeated = context._replace(state=jax.tree.map(lambda leaf, n=network: leaf[n], states))
        for _ in range(3):
            repeated = repeated._replace(state=learn(ONE_STEP, logits, labels, repeated))
        pairs = zip(*map(jax.tree.leaves, (together, repeated.state)), strict=True)
        for ours, known in pairs:
            np.testing.assert_allclose(ours[network], known, rtol=1e-4, atol=1e-6)


def test_it_tells_sure_members_from_unsure_others_and_the_loss_falls_with_deceit() -> None:
    wide = dataclasses.replace(ONE_STEP, hidden=(32,))
    context = context_for(wide, 0)
    _, labels = examples(0)
    sure, unsure = 5.0 * jax.nn.one_hot(labels, CLASSES), jnp.zeros((len(labels), CLASSES))
    others = context.reference._replace(outputs=unsure[: len(context.reference.targets)])
    context = context._replace(reference=others)
    for _ in range(300):
        context = context._replace(state=learn(wide, sure, labels, context))
    layers = in_float64(context.state.layers)

    def chance(rows: jax.Array, classes: jax.Array) -> float:
        pairs = zip(*in_float64((rows, classes)), strict=True)
        return np.mean([naive.membership(layers, row, label) for row, label in pairs])

    assert chance(sure, labels) > 0.9
    assert chance(*others) < 0.1
    losses = [float(value(wide, rows, labels, context)) for rows in (sure, unsure)]
    assert losses[0] > losses[1]


def test_learning_without_reference_examples() -> None:
    context = context_for(ONE_STEP, 0)._replace(reference=None)
    with pytest.raises(ValueError, match=r"needs context.reference: the outputs on as many"):
        ONE_STEP.learn(*examples(0), context)
