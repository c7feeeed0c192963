"""The phases of a recipe in a loop of one's own do what they do in the library's."""

from collections.abc import Callable
from typing import Any

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from small import BATCH, CE, DATA, INDICES, MODEL, RELAX, initial, of, own_key, watched

from pptp_jax.regions import RegionMap, protect
from pptp_jax.training import (
    SGD,
    Ensemble,
    Perturbation,
    Private,
    Recipe,
    RewindWeights,
    cwrf,
    dmp,
    dp_sgd,
    freeze,
    perturb,
    rewind,
    selena,
    split,
    undefended,
    whole_network,
)
from pptp_jax.validation import Refused

REGIONS = protect("stem", MODEL.blocks)
STEPS = INDICES.shape[1] // BATCH


def looped(recipe: Recipe, model: int) -> Any:
    """Model `model` by a plain loop, with the batches that the library draws."""
    begun = params = initial(model).params
    number = 0
    for epochs, tx, start in recipe.transforms(SGD(), REGIONS, steps_per_epoch=STEPS):
        params = start(params, begun)
        state = tx.init(params)
        for _ in range(epochs):
            number += 1
            shuffle, _ = jax.random.split(jax.random.fold_in(own_key(model), number))
            order = jax.random.permutation(shuffle, INDICES.shape[1])
            for places in order.reshape(STEPS, BATCH):
                grads = slope(params, jnp.asarray(INDICES[model])[places])
                updates, state = tx.update(grads, state, params, key=jax.random.key(0))
                params = optax.apply_updates(params, updates)
    return params


@jax.jit
def slope(params: Any, rows: Any) -> Any:
    def loss(params: Any) -> Any:
        logits, _ = MODEL.apply(params, {}, DATA.inputs(rows), train=True, key=None)
        return optax.softmax_cross_entropy_with_integer_labels(logits, DATA.y[rows]).mean()

    return jax.grad(loss)(params)


@pytest.mark.parametrize(
    "recipe",
    [
        undefended(2),
        freeze("stem", after=1, more=2),
        rewind("stem", CE, epochs=1, retrain=2),
        perturb("stem", Perturbation(max_norm=0.05, scale=0.5), epochs=2),
    ],
    ids=lambda recipe: recipe.name,
)
def test_a_loop_of_ones_own_trains_as_the_library_does(recipe: Recipe) -> None:
    ended = max(seen := watched(recipe))
    chex.assert_trees_all_close(looped(recipe, 1), of(seen[ended], 1), rtol=1e-3, atol=1e-5)


class Net(nnx.Module):
    def __init__(self) -> None:
        self.stem = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
        self.head = nnx.Linear(3, 2, rngs=nnx.Rngs(1))


class Pair(eqx.Module):
    stem: eqx.nn.Linear
    head: eqx.nn.Linear


def pair() -> Pair:
    first, last = jax.random.split(jax.random.key(0))
    return Pair(eqx.nn.Linear(2, 3, key=first), eqx.nn.Linear(3, 2, key=last))


TREES = {
    "nnx": lambda: nnx.state(Net(), nnx.Param),
    "equinox": lambda: eqx.filter(pair(), eqx.is_inexact_array),
    "dict": lambda: {"stem": {"w": jnp.ones(3)}, "head": {"w": jnp.ones(2)}},
}


@pytest.mark.parametrize("make", TREES.values(), ids=TREES)
def test_phases_freeze_and_rewind_any_tree(make: Callable[[], Any]) -> None:
    regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
    initial = make()
    protected = jax.tree.leaves(regions.mask(initial, "protect"))
    moved = jax.tree.map(lambda leaf: leaf + 1, initial)

    def where_it_differs(tree: Any, other: Any) -> list[bool]:
        pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True)
        return [bool((a != b).all()) for a, b in pairs]

    first, second = freeze("stem", after=2, more=8).transforms(optax.sgd(0.1), regions)
    assert (first.epochs, second.epochs) == (2, 8)
    for phase, expected in ((first, [True] * len(protected)), (second, [not p for p in protected])):
        begun = phase.start(moved, initial)
        assert where_it_differs(begun, moved) == [False] * len(protected)
        updates, _ = phase.transform.update(moved, phase.transform.init(begun), begun)
        assert where_it_differs(optax.apply_updates(begun, updates), begun) == expected
    _, back = rewind("stem", CE, epochs=1, retrain=1).transforms(optax.sgd(0.1), regions)
    assert where_it_differs(back.start(moved, initial), moved) == protected


@pytest.mark.parametrize(
    "recipe, message",
    [
        (whole_network(RELAX, 2), "an objective other than the loss of the loop"),
        (split("stem", RELAX, 2), "an objective a region"),
        (dp_sgd(Private(noise_multiplier=1.0), 2), "DP-SGD"),
        (cwrf(RewindWeights(share=0.1), CE, epochs=1, more=1), "vulnerable weights"),
        (selena(1, 1, Ensemble(models=3, left_out=1)), "an ensemble"),
        (dmp(1, 1), "reference examples"),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_what_transforms_cannot_do_is_refused(recipe: Recipe, message: str) -> None:
    with pytest.raises(Refused, match=f"{message}.*train_fleet"):
        recipe.transforms(optax.sgd(0.1), REGIONS)


def test_regions_and_steps_must_be_known() -> None:
    with pytest.raises(Refused, match="give a region map"):
        freeze("stem", after=1, more=1).transforms(optax.sgd(0.1))
    named = RegionMap.from_rules([(".*", "mine")])
    with pytest.raises(Refused, match="region 'protect' is unknown"):
        freeze("stem", after=1, more=1).transforms(optax.sgd(0.1), named)
    with pytest.raises(Refused, match="give steps_per_epoch"):
        undefended(1).transforms(SGD())
    [phase] = undefended(1).transforms(lambda steps: optax.sgd(steps), steps_per_epoch=3)
    updates, _ = phase.transform.update(np.float32(1), phase.transform.init(0.0), None)
    assert updates == -3
