"""A number for each block: decays and rates by hand, private weights by a loop over examples."""

from typing import Any

import chex
import jax
import numpy as np
import pytest
from small import CE, INDICES, MODEL, initial, of, slope, watched

from pptp_jax.evaluation.method import method
from pptp_jax.regions import protect
from pptp_jax.study.guarantee import guarantee, ledger
from pptp_jax.training import (
    SGD,
    Phase,
    Poisson,
    Private,
    Recipe,
    annealed,
    dp_sgd,
    make_train,
    weighted_decay,
    weighted_rates,
)
from pptp_jax.training.batched_programs import epoch_of_group
from pptp_jax.training.phase_transform import private_clip

pytestmark = pytest.mark.usefixtures("compile_in_haste")

WEIGHTS = {"stem": 0.25, "stage1": 1.0, "head": 0.5}  # all blocks of the network


def first_updates(recipe: Recipe, gradient: float) -> Any:
    """The update of each block in the first step of each phase, where all weights are 1."""
    regions = recipe.regions(MODEL)
    optimizer = SGD(learning_rate=0.5, weight_decay=0.25, momentum=0.0)
    params = jax.tree.map(np.ones_like, initial(0).params)
    grads = jax.tree.map(lambda leaf: np.full_like(leaf, gradient), params)
    for phase in recipe.transforms(optimizer, regions, steps_per_epoch=2):
        updates, _ = phase.transform.update(grads, phase.transform.init(params), params)
        yield {name: np.unique(own["kernel"]) for name, own in updates.items()}


@pytest.mark.parametrize("weights", [WEIGHTS, {"stage1": 2.0}])
def test_each_block_has_its_decay_in_every_phase(weights: dict[str, float]) -> None:
    recipe = annealed(weighted_decay(2, 0.4, weights), anneal=1)
    found = list(first_updates(recipe, gradient=0.0))
    assert len(found) == 2
    for updates in found:
        for name, own in updates.items():
            decay = 0.4 * weights[name] if name in weights else 0.25
            np.testing.assert_allclose(own, [-0.5 * decay], rtol=1e-6)


def test_each_block_has_its_learning_rate() -> None:
    [found] = first_updates(weighted_rates(2, WEIGHTS), gradient=1.0)
    for name, own in found.items():
        np.testing.assert_allclose(own, [-0.5 * 1.25 * WEIGHTS[name]], rtol=1e-6)


def private_sum(i: int, weights: dict[str, float]) -> Any:
    """The members' gradients one by one: weighted by block, then a norm of at most 0.5."""
    params = initial(i).params
    total = jax.tree.map(np.zeros_like, params)
    for row in INDICES[i]:
        grads = {
            name: jax.tree.map(lambda g, w=weights[name]: w * np.asarray(g), part)
            for name, part in slope(CE, params, np.array([row]), None, 0).items()
        }
        norm = np.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(grads)))
        total = jax.tree.map(lambda t, g, n=norm: t + g * min(1, 0.5 / n), total, grads)
    return total


def check_a_step(recipe: Recipe, weights: dict[str, float]) -> None:
    ours = watched(recipe, batch_size=40)[1]
    for i in (0, 1):
        known = jax.tree.map(
            lambda p, s: p - 0.1 * s / 40, initial(i).params, private_sum(i, weights)
        )
        chex.assert_trees_all_close(of(ours, i), known, rtol=1e-3, atol=1e-5)


def test_private_gradients_are_weighted_before_the_clip_and_a_sweep_compiles_once() -> None:
    def recipe(weights: dict[str, float]) -> Recipe:
        return dp_sgd(Private(noise_multiplier=0.0, max_norm=0.5, weights=weights), epochs=1)

    check_a_step(recipe(WEIGHTS), WEIGHTS)
    before = epoch_of_group._cache_size()
    check_a_step(recipe(other := {"stem": 3.0, "stage1": 0.1, "head": 1.0}), other)
    assert epoch_of_group._cache_size() == before


def test_what_is_frozen_beside_weighted_regions_does_not_count() -> None:
    private = Private(noise_multiplier=1.0, max_norm=0.5, weights={"first": 0.1})
    phase = Phase(epochs=1, objectives=CE, gradient=private, frozen=("still",))
    region = {"still": ["stem"], "first": ["stage1"]}
    regions = Recipe(name="r", region=region, phases=(phase,)).regions(MODEL)
    grads = jax.tree.map(lambda leaf: np.full((1, *leaf.shape), 2.0, "f4"), initial(0).params)
    total = private_clip(phase, regions).sum(grads)
    sizes = {name: own["kernel"].size + own["bias"].size for name, own in initial(0).params.items()}
    norm = 2.0 * np.sqrt(0.1**2 * sizes["stage1"] + sizes["head"])
    np.testing.assert_allclose(total["stage1"]["bias"], 2.0 * 0.1 * 0.5 / norm, rtol=1e-5)
    np.testing.assert_allclose(total["head"]["kernel"], 2.0 * 0.5 / norm, rtol=1e-5)


@pytest.mark.parametrize("batches", [None, Poisson()])
def test_epsilon_and_ledger_are_those_without_weights(batches: Poisson | None) -> None:
    plain, mine = (
        dp_sgd(Private(noise_multiplier=2.0, weights=weights), epochs=4, batches=batches)
        for weights in (None, WEIGHTS)
    )
    assert guarantee(mine, MODEL, 500, 50) == guarantee(plain, MODEL, 500, 50) is not None
    ours = ledger(mine.phases[0], mine, MODEL, 500, 50)
    assert ours.noise_multiplier == 2.0 and ours.noised == ("protect",) and not ours.obstacles
    assert ours.sampling == ledger(plain.phases[0], plain, MODEL, 500, 50).sampling


def test_names_and_regions() -> None:
    mine = annealed(weighted_decay(30, 0.005, WEIGHTS))
    assert mine.slug == (
        "annealed_decay-weights-0.25-1-0.5_30+3_stem+stage1+head_weight_decay_0.005"
    )
    weaker = annealed(weighted_decay(20, 0.002, WEIGHTS))
    assert (
        method(weaker) == method(mine) != method(annealed(weighted_decay(30, 0.005, {"stem": 1})))
    )
    assert protect(mine.region, MODEL.blocks).names == ("stem", "stage1", "head")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: weighted_decay(3, 0.1, {}), "weights must be numbers by block.*got {}"),
        (lambda: weighted_rates(3, 0.5), "weights must be numbers by block.*got 0.5"),
        (lambda: weighted_decay(3, -1.0, WEIGHTS), "weight_decay must be .* at least 0, got -1.0"),
        (lambda: weighted_rates(3, {"stem": -1.0}), "the weight of stem must be .* at least 0"),
        (lambda: Private(noise_multiplier=1.0, weights={}), "at least one region, got none: leave"),
        (
            lambda: Phase(
                epochs=1,
                objectives=CE,
                gradient=Private(noise_multiplier=1.0, weights={"a": 1.0}),
                frozen=("a",),
            ),
            "the region a cannot be both weighted and frozen",
        ),
        (
            lambda: make_train(MODEL, weighted_decay(3, 0.1, {"stage9": 1.0})),
            "region 'stage9' is unknown",
        ),
        (
            lambda: dp_sgd(Private(noise_multiplier=1.0, weights={"stam": 1.0}), 1).regions(MODEL),
            "region 'stam' is unknown; did you mean 'stem'",
        ),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
