"""Phases with a schedule and a weight decay of their own, against a naive loop."""

from typing import Any

import chex
import jax
import numpy as np
import optax
import pytest
from small import BATCH, CE, INDICES, MODEL, RELAX, initial, of, own_key, slope, watched

from pptp_jax.data import Digits
from pptp_jax.models import from_linen
from pptp_jax.models.resnet import ResNet
from pptp_jax.objectives import RelaxLoss
from pptp_jax.regions import RegionMap, protect
from pptp_jax.study import Study
from pptp_jax.training import (
    SGD,
    Perturbation,
    Perturbed,
    Phase,
    Private,
    Recipe,
    RewindWeights,
    annealed,
    cwrf,
    decay,
    dmp,
    early_stopped,
    freeze,
    make_train,
    perturb,
    split,
    undefended,
    whole_network,
)
from pptp_jax.training.batched_programs import epoch_of_group
from pptp_jax.validation import Refused

pytestmark = pytest.mark.usefixtures("compile_in_haste")

STEPS = INDICES.shape[1] // BATCH
STEM = protect("stem", MODEL.blocks)


def naive(phases: list[tuple[int, bool, dict[str, float], bool]], model: int = 1) -> Any:
    """SGD of rate .1 and momentum .9: phases of (epochs, falling, decay by block, stem frozen)."""
    params, number = initial(model).params, 0
    for epochs, falling, decays, frozen in phases:
        velocity = jax.tree.map(np.zeros_like, params)
        for epoch in range(epochs):
            number += 1
            shuffle, _ = jax.random.split(jax.random.fold_in(own_key(model), number))
            order = np.asarray(jax.random.permutation(shuffle, INDICES.shape[1]))
            for step in range(STEPS):
                places = order[step * BATCH : (step + 1) * BATCH]
                left = 1 - (epoch * STEPS + step) / (epochs * STEPS) if falling else 1.0
                grads = slope(CE, params, INDICES[model][places], None, 0)
                for block, leaves in params.items():
                    if frozen and block == "stem":
                        continue
                    for name, weights in leaves.items():
                        g = np.asarray(grads[block][name]) + decays[block] * weights
                        v = 0.9 * velocity[block][name] + g
                        velocity[block][name] = np.float32(v)
                        params[block][name] = np.float32(weights - 0.1 * left * v)
    return params


ALL = ("stem", "stage1", "head")


def same(value: float) -> dict[str, float]:
    return dict.fromkeys(ALL, value)


def with_stem(value: float, rest: float) -> dict[str, float]:
    return same(rest) | {"stem": value}


CASES: dict[str, tuple[Recipe, Any]] = {
    "plain": (annealed(2, anneal=2), [(2, False, same(0.01), False), (2, True, same(0.01), False)]),
    "frozen": (
        annealed(1, anneal=2, region="stem"),
        [(1, False, same(0.01), False), (2, True, same(0.01), True)],
    ),
    "freeze": (
        annealed(freeze("stem", after=1, more=1), anneal=1),
        [
            (1, False, same(0.01), False),
            (1, False, same(0.01), True),
            (1, True, same(0.01), True),
        ],
    ),
    "decay": (
        annealed(decay(1, 0.3), anneal=1),
        [(1, False, same(0.3), False), (1, True, same(0.3), False)],
    ),
    "decay of a region": (
        annealed(decay(1, 0.3, "stem"), anneal=1),
        [(1, False, with_stem(0.3, 0.01), False), (1, True, with_stem(0.3, 0.01), False)],
    ),
    "decay of a region, then frozen": (
        annealed(decay(1, 0.3, "stem"), anneal=1, region="stem"),
        [(1, False, with_stem(0.3, 0.01), False), (1, True, same(0.01), True)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_recipe_is_a_naive_loop(case: str) -> None:
    recipe, phases = CASES[case]
    seen = watched(recipe, optimizer=SGD(weight_decay=0.01))
    expected = naive(phases)
    chex.assert_trees_all_close(of(seen[max(seen)], 1), expected, rtol=1e-4, atol=1e-5)


def test_a_loop_of_ones_own_gets_the_same_transforms() -> None:
    recipe = annealed(decay(1, 0.5, "stem"), anneal=2)
    first, second = recipe.transforms(
        SGD(learning_rate=0.5, weight_decay=0.25, momentum=0.0), STEM, steps_per_epoch=2
    )
    params = jax.tree.map(np.ones_like, initial(0).params)
    zeros = jax.tree.map(np.zeros_like, params)
    for phase, factors in ((first, (1, 1)), (second, (1, 0.75, 0.5, 0.25))):
        state = phase.transform.init(params)
        for factor in factors:
            updates, state = phase.transform.update(zeros, state, params)
            np.testing.assert_allclose(updates["stem"]["kernel"], -0.5 * 0.5 * factor, rtol=1e-6)
            np.testing.assert_allclose(updates["head"]["kernel"], -0.5 * 0.25 * factor, rtol=1e-6)


@pytest.mark.parametrize(
    "made",
    [
        lambda value: decay(1, value),
        lambda value: decay(1, value, "stem"),
        lambda value: annealed(decay(1, value, "stem"), anneal=1),
        lambda value: perturb("stem", Perturbation(scale=value), epochs=1),
    ],
    ids=["whole", "region", "annealed", "rate of a region"],
)
def test_a_sweep_over_strengths_compiles_once(made) -> None:
    watched(made(0.5))
    before = epoch_of_group._cache_size()
    ends = [watched(made(value)) for value in (0.25, 0.125)]
    assert epoch_of_group._cache_size() == before
    one, other = (of(seen[max(seen)], 0)["stem"]["kernel"] for seen in ends)
    assert np.abs(one - other).max() > 1e-4


# A network whose stages have convolutions and norms.
NORMED = from_linen(ResNet((2, 3), 1, 10, "batch"), ["stem", "stage1", "stage2", "head"])
PARTS = RegionMap.from_rules(
    [
        ("stage2/.*/conv/.*", "convolutions"),
        ("stage2/.*/norm/.*", "norms"),
        (".*", "general"),
    ]
)


def moved(phase: dict[str, Any]) -> dict[str, bool]:
    """Which parts of the last stage moved in a phase behind another."""
    begun = Phase(epochs=1, objectives=CE)
    then = Phase(epochs=1, objectives=CE, **phase)
    seen = watched(Recipe(name="parts", phases=(begun, then), region=PARTS), NORMED)
    before, after = seen[1], seen[2]
    labels = PARTS.labels(before.params)["stage2"]
    differs = jax.tree.map(lambda a, b: bool((a != b).any()), before, after)
    found: dict[str, bool] = {}
    for label in ("convolutions", "norms"):
        own = [
            d
            for d, name in zip(
                jax.tree.leaves(differs.params["stage2"]), jax.tree.leaves(labels), strict=True
            )
            if name == label
        ]
        assert len(set(own)) == 1, (label, own)
        found[label] = own[0]
    statistics = set(jax.tree.leaves(differs.state["batch_stats"]["stage2"]))
    assert len(statistics) == 1
    others = jax.tree.leaves(differs.state["batch_stats"]["stage1"])
    assert all(others)  # nothing is said of them
    return found | {"statistics": statistics.pop()}


@pytest.mark.parametrize(
    ("phase", "free"),
    [
        ({"frozen": ("convolutions",)}, {"norms", "statistics"}),
        ({"frozen": ("norms",)}, {"convolutions", "statistics"}),
        ({"frozen": ("norms",), "fixed_statistics": ("convolutions",)}, {"convolutions"}),
        ({"fixed_statistics": ("convolutions", "norms")}, {"convolutions", "norms"}),
        ({"frozen": ("convolutions", "norms")}, set()),
    ],
)
def test_convolutions_scales_and_statistics_are_free_or_not(phase, free: set[str]) -> None:
    assert {name for name, moves in moved(phase).items() if moves} == free


def test_what_contradicts_itself_is_refused() -> None:
    def phase(**rules: Any) -> Phase:
        return Phase(epochs=1, objectives=CE, frozen=("protect",), **rules)

    with pytest.raises(Refused, match="protect cannot be both decayed and frozen"):
        phase(weight_decay={"protect": 0.1})
    with pytest.raises(Refused, match="protect cannot be both with fixed statistics and frozen"):
        phase(fixed_statistics=("protect",))
    with pytest.raises(Refused, match="this one has statistics that stay in place"):
        private = Private(noise_multiplier=1.0)
        Phase(epochs=1, objectives=CE, gradient=private, fixed_statistics=("protect",))
    with pytest.raises(Refused, match="schedule 'linnear' is unknown; did you mean 'linear'"):
        phase(schedule="linnear")
    with pytest.raises(Refused, match="weight_decay must be a finite number of at least 0, got -1"):
        decay(3, -1.0)
    with pytest.raises(
        Refused, match="weight_decay of stem must be a finite number of at least 0, got -1"
    ):
        Phase(epochs=1, objectives=CE, weight_decay={"stem": -1.0})
    with pytest.raises(Refused, match="weight_decay needs a number for at least one region"):
        Phase(epochs=1, objectives=CE, weight_decay={})
    with pytest.raises(Refused, match="weight_decay of whole must be a finite number"):
        Phase(epochs=1, objectives=CE, weight_decay=float("nan"))
    with pytest.raises(Refused, match="names regions in a phase: give it a region"):
        Recipe(name="mine", phases=(phase(),))
    bad = Phase(epochs=1, objectives=CE, weight_decay={"protct": 0.1})
    with pytest.raises(Refused, match="mine: region 'protct' is unknown; did you mean 'protect'"):
        Recipe(name="mine", phases=(bad,), region="stem").regions(MODEL)


@pytest.mark.parametrize("recipe", [annealed(2), decay(2, 0.1), decay(2, 0.1, "stem")])
def test_an_optimiser_without_such_numbers_is_refused_before_training(recipe: Recipe) -> None:
    tx = optax.adam(1e-3)
    message = f"{recipe.slug[:5]}.*phase 1 has a (schedule|weight_decay) of its own, which only"
    message = message.replace("+", r"\+")
    for entrance in (
        lambda: make_train(MODEL, recipe, tx),
        lambda: watched(recipe, optimizer=tx),
        lambda: Study(name="s", data=Digits(), model=MODEL, recipes=(recipe,), optimizer=tx),
    ):
        with pytest.raises(Refused, match=message):
            entrance()
    with pytest.raises(Refused, match="which only SGD"):
        recipe.transforms(tx, STEM)


def test_what_cannot_be_annealed_is_refused() -> None:
    with pytest.raises(Refused, match="anneal must be an integer of at least 1, got 0"):
        annealed(3, anneal=0)
    with pytest.raises(Refused, match="cannot be annealed: it ends with a teacher"):
        annealed(dmp(1, 1))
    with pytest.raises(Refused, match="cannot be annealed: it ends with weights that are rewound"):
        annealed(cwrf(RewindWeights(share=0.1), CE, epochs=1, more=1))
    with pytest.raises(Refused, match="has the region 'stem', and a recipe has one map"):
        annealed(freeze("stem"), region="head")
    for recipe in (
        split("stem", RELAX, 2),
        perturb("stem", Perturbation(scale=0.5), epochs=2),
    ):
        with pytest.raises(Refused, match="trains its region by rules of its own to the end"):
            annealed(recipe, region="stem")


def test_an_anneal_goes_on_with_the_rules_of_the_last_phase() -> None:
    trunk, end = annealed(whole_network(RelaxLoss(alpha=0.5), 4)).phases
    assert (trunk.schedule, end.schedule) == ("constant", "linear")
    assert end.objectives == RelaxLoss(alpha=0.5)
    scaled = annealed(perturb("stem", Perturbation(scale=0.5), epochs=2)).phases[1]
    assert scaled.gradient == Perturbed({"protect": Perturbation(scale=0.5)})
    assert annealed(undefended(4)) == annealed(4) == annealed(early_stopped(4))
    rewound = annealed(cwrf_like := freeze("stem", after=2, more=1)).phases
    assert rewound[-1].frozen == cwrf_like.phases[-1].frozen
