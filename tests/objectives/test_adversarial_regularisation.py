"""The inference network: a step of it by hand, and that it finds what there is to find."""

import jax
import jax.numpy as jnp
import naive_objectives as naive
import numpy as np
import pytest
from objective_cases import CLASSES, context_for, examples, in_float64

from pptp_jax.objectives import AdversarialRegularisation, Context, Reference

learn = jax.jit(lambda objective, *seen: objective.learn(*seen))


def naive_adam(layers, gradients, rate):
    """Adam's first step: both moments are those of one gradient, with the bias taken off."""
    moved = []
    for pair, slopes in zip(layers, gradients, strict=True):
        moved.append([v - rate * g / (np.abs(g) + 1e-8) for v, g in zip(pair, slopes, strict=True)])
    return moved


def test_a_step_by_hand() -> None:
    objective = AdversarialRegularisation(weight=1.0, hidden=(5, 3), learning_rate=0.01)
    logits, labels = examples(0)
    context = context_for(objective, 0)
    ours = learn(objective, logits, labels, context).layers

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


def test_some_steps_are_that_many_times_one() -> None:
    three = AdversarialRegularisation(weight=1.0, steps=3)
    one = AdversarialRegularisation(weight=1.0)
    logits, labels = examples(1)
    context = context_for(three, 0)
    repeated = context
    for _ in range(3):
        repeated = repeated._replace(state=learn(one, logits, labels, repeated))
    at_once = learn(three, logits, labels, context)
    for ours, known in zip(*map(jax.tree.leaves, (at_once, repeated.state)), strict=True):
        np.testing.assert_allclose(ours, known, rtol=1e-5, atol=1e-7)
    assert int(at_once.opt_state[0].count) == 3


def test_it_tells_sure_members_from_unsure_others_and_the_loss_falls_with_deceit() -> None:
    objective = AdversarialRegularisation(weight=10.0, steps=300, learning_rate=0.01)
    labels = jnp.arange(CLASSES)
    sure, unsure = 5.0 * jnp.eye(CLASSES), jnp.zeros((CLASSES, CLASSES))
    context = Context(
        reference=Reference(unsure, labels), state=objective.init(jax.random.key(0), CLASSES)
    )
    layers = in_float64(learn(objective, sure, labels, context).layers)
    chances = [
        np.mean([naive.membership(layers, r, y) for y, r in enumerate(in_float64(rows))])
        for rows in (sure, unsure)
    ]
    assert chances[0] > 0.9 and chances[1] < 0.1
    context = context._replace(state=context.state._replace(layers=layers))
    losses = [float(objective(rows, labels, context)) for rows in (sure, unsure)]
    assert losses[0] > losses[1]


def test_networks_of_a_fleet_begin_apart_and_learn_in_one_mapped_call() -> None:
    objective = AdversarialRegularisation(weight=1.0)
    keys = jax.random.split(jax.random.key(0), 2)
    states = jax.vmap(lambda key: objective.init(key, CLASSES))(keys)
    first = states.layers[0][0]
    assert float(jnp.abs(first[0] - first[1]).max()) > 0.1
    logits, labels = examples(0)
    reference = Reference(*examples(1))

    def one(state):
        return objective.learn(logits, labels, Context(reference=reference, state=state))

    together = jax.vmap(one)(states)
    alone = one(jax.tree.map(lambda leaf: leaf[1], states))
    for ours, known in zip(*map(jax.tree.leaves, (together, alone)), strict=True):
        np.testing.assert_allclose(ours[1], known, rtol=1e-5, atol=1e-6)


def test_learning_without_reference_examples() -> None:
    objective = AdversarialRegularisation(weight=1.0)
    context = context_for(objective, 0)._replace(reference=None)
    with pytest.raises(ValueError, match=r"needs context.reference: the outputs on as many"):
        objective.learn(*examples(0), context)
