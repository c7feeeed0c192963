"""What each regional recipe does to which block, against a naive loop and bit for bit."""

from dataclasses import replace
from typing import Any

import chex
import jax
import numpy as np
import pytest
from small import (
    BATCH,
    CE,
    DATA,
    INDICES,
    MODEL,
    RELAX,
    descend,
    initial,
    of,
    own_key,
    slope,
    watched,
)

from pptp_jax.models import cnn
from pptp_jax.objectives import Distillation, MixupMMD
from pptp_jax.regions import PROTECT
from pptp_jax.training import (
    SGD,
    Ensemble,
    Execution,
    FromScratch,
    Perturbation,
    Perturbed,
    Phase,
    Poisson,
    Private,
    Recipe,
    Rewind,
    RewindWeights,
    cwrf,
    finish,
    freeze,
    freeze_in_turn,
    perturb,
    pretrained,
    rewind,
    split,
    switch,
    train_fleet,
    undefended,
)

pytestmark = pytest.mark.usefixtures("compile_in_haste")

BLOCKS = ("stem", "stage1", "head")


def everything(objective: Any) -> dict[str, Any]:
    return dict.fromkeys(BLOCKS, objective)


# For each recipe and phase: what each block learns from (nothing if it is frozen), and what has
# been rewound.
TWINS = {
    "freeze": (
        freeze("stem", after=1, more=2, defence=RELAX),
        [(1, everything(CE), ()), (2, {"stage1": RELAX, "head": RELAX}, ())],
    ),
    "rewind": (
        rewind("stem", RELAX, epochs=1, retrain=2),
        [(1, everything(CE), ()), (2, {"stem": RELAX}, ("stem",))],
    ),
    "retrain": (
        rewind("stem", RELAX, epochs=1, retrain=2, rewinding=False),
        [(1, everything(CE), ()), (2, {"stem": RELAX}, ())],
    ),
    "finish": (
        finish("stem", RELAX, epochs=2, more=1),
        [(2, everything(RELAX), ()), (1, {"stage1": CE, "head": CE}, ())],
    ),
    "switch": (
        switch(RELAX, after=1, more=2),
        [(1, everything(CE), ()), (2, everything(RELAX), ())],
    ),
    "split": (
        split("not stem", RELAX, epochs=2),
        [(2, {"stem": CE, "stage1": RELAX, "head": RELAX}, ())],
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_recipe_is_a_naive_loop(name: str) -> None:
    recipe, phases = TWINS[name]
    ours = watched(recipe)
    params, key, begun = initial(1).params, own_key(1), 0
    for epochs, learned, rewound in phases:
        params = params | {block: initial(1).params[block] for block in rewound}

        def gradient(now: Any, places: np.ndarray, epoch: int, learned=learned) -> Any:
            def own(objective: Any) -> Any:
                return slope(objective, now, INDICES[1][places], None, epoch)

            zero = jax.tree.map(np.zeros_like, now)
            return {b: own(learned[b])[b] if b in learned else zero[b] for b in BLOCKS}

        params = descend(params, gradient, 40, key, epochs, begun)
        begun += epochs
        chex.assert_trees_all_close(of(ours[begun], 1), params, rtol=1e-3, atol=1e-5)


def test_what_was_learned_from_references_is_frozen_and_never_saw_a_member() -> None:
    recipe = pretrained("not head", before=1, more=2)
    seen = watched(recipe)
    poisoned = DATA._replace(x=DATA.x.at[:80].set(7))
    [other] = train_fleet(
        MODEL, recipe, poisoned, INDICES, batch_size=BATCH, execution=Execution(groups=[(0, 1)])
    )
    for block in ("stem", "stage1"):
        for variables in (seen[3], other.variables):
            chex.assert_trees_all_equal(variables.params[block], seen[1].params[block])
        assert (seen[1].params[block]["kernel"][1] != initial(1).params[block]["kernel"]).any()
    ours, theirs = (v.params["head"]["kernel"] for v in (seen[3], other.variables))
    assert (ours != seen[1].params["head"]["kernel"]).any() and (ours != theirs).any()


def test_blocks_stop_in_turn_to_the_last_bit() -> None:
    decaying = SGD(weight_decay=0.1)
    seen = watched(freeze_in_turn({"stem": 1, "stage1": 2}, epochs=3), optimizer=decaying)
    stops = {"stem": 1, "stage1": 2, "head": 3}
    for before in (1, 2):
        for block, stop in stops.items():
            now, then = seen[before + 1].params[block], seen[before].params[block]
            same = (now["kernel"] == then["kernel"]).all() and (now["bias"] == then["bias"]).all()
            assert same == (before >= stop), (block, before)


PERTURBATIONS = {
    "max_norm": Perturbation(max_norm=1e-2),
    "stddev": Perturbation(stddev=0.5),
    "rate": Perturbation(rate=0.5),
    "scale": Perturbation(scale=0.25),
}


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_a_perturbation_reaches_its_region_alone(kind: str) -> None:
    """After one step of SGD a network has moved by its rate times its gradient."""
    one_step = {"batch_size": 40}
    plain = watched(undefended(1), **one_step)[1]
    ours = watched(perturb("shallow", PERTURBATIONS[kind], epochs=1), **one_step)[1]
    for i in (0, 1):
        start = initial(i).params
        grads = jax.tree.map(lambda s, p: (s - p) / 0.1, start, of(plain, i))
        found = jax.tree.map(lambda s, p: (s - p) / 0.1, start, of(ours, i))
        chex.assert_trees_all_close(found["head"], grads["head"], rtol=1e-3, atol=1e-5)
        own = np.concatenate([np.ravel(x) for b in BLOCKS[:2] for x in jax.tree.leaves(grads[b])])
        got = np.concatenate([np.ravel(x) for b in BLOCKS[:2] for x in jax.tree.leaves(found[b])])
        if kind == "max_norm":
            known = own * 1e-2 / np.linalg.norm(own)
            np.testing.assert_allclose(got, known, rtol=1e-2, atol=1e-5)
        if kind == "scale":
            np.testing.assert_allclose(got, own / 4, rtol=1e-3, atol=1e-5)
        if kind == "rate":
            kept = ~np.isclose(got, 0, atol=1e-6) | np.isclose(own, 0, atol=1e-6)
            np.testing.assert_allclose(got[kept], own[kept], rtol=1e-2, atol=1e-5)
            moving = ~np.isclose(own, 0, atol=1e-6)
            assert 0.4 < kept[moving].mean() < 0.6
        if kind == "stddev":
            assert 0.45 < (got - own).std() < 0.55


def test_what_is_seen_on_the_way_is_a_shorter_run() -> None:
    """Where the rate is constant, stopping early and looking early are one."""
    steady = SGD(schedule="constant")
    longer, shorter = (watched(undefended(n), optimizer=steady) for n in (3, 2))
    assert sorted(longer) == [1, 2, 3]
    chex.assert_trees_all_equal(longer[1], shorter[1])
    chex.assert_trees_all_equal(longer[2], shorter[2])


PLAIN = Phase(epochs=1, objectives=CE)
STUDENT = Phase(epochs=1, objectives=Distillation(), start=(FromScratch(),))
TEACHERS = replace(PLAIN, ensemble=Ensemble(models=3, left_out=1))
PRIVATE = Private(noise_multiplier=1.0)


def fleet(recipe: Recipe, data=DATA, batch_size: int = BATCH):
    return next(
        train_fleet(cnn([2], 4, 10, norm="batch"), recipe, data, INDICES, batch_size=batch_size)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Perturbation(), "at least one of max_norm, stddev, rate and scale"),
        (lambda: Perturbation(max_norm=0.0), "max_norm must be a finite number above 0"),
        (lambda: Perturbation(rate=1.5), "rate must lie between 0 and 1"),
        (lambda: Private(noise_multiplier=-1.0), "noise_multiplier must be .* at least 0"),
        (lambda: Private(noise_multiplier=1.0, microbatch_size=0), "microbatch_size must be"),
        (lambda: RewindWeights(share=2.0), "share must lie between 0 and 1"),
        (lambda: RewindWeights(share=0.1, batches=0), "batches must be an integer"),
        (lambda: RewindWeights(share=0.1, by="filter"), "by 'filter' is unknown.*'channel'"),
        (
            lambda: replace(
                PLAIN, start=(RewindWeights(share=0.1, region=PROTECT),), frozen=(PROTECT,)
            ),
            "protect cannot be both searched for weights to rewind and frozen",
        ),
        (
            lambda: Recipe(
                name="r", phases=(replace(PLAIN, start=(RewindWeights(share=0.1, region="a"),)),)
            ),
            "r names regions in a phase: give it a region",
        ),
        (lambda: Ensemble(models=3, left_out=3), "left_out must be below that; got 3"),
        (lambda: Ensemble(models=None), "models must be an integer, got None"),
        (lambda: replace(PLAIN, objectives=3), "one of pptp_jax.objectives, got int"),
        (lambda: replace(PLAIN, frozen="stem"), "frozen must be a tuple"),
        (lambda: replace(PLAIN, examples="non-members"), "examples 'non-members' is unknown"),
        (
            lambda: replace(PLAIN, objectives={"a": MixupMMD(weight=1.0), "b": CE}),
            "mixes inputs must be the only one",
        ),
        (
            lambda: replace(
                PLAIN, gradient=Perturbed({PROTECT: Perturbation(scale=0.1)}), frozen=(PROTECT,)
            ),
            "region protect cannot be both perturbed and frozen",
        ),
        (
            lambda: replace(
                PLAIN, gradient=PRIVATE, start=(RewindWeights(share=0.1),), ensemble=Ensemble()
            ),
            "clipped gradients alone; this one has vulnerable weights and an ensemble",
        ),
        (lambda: Perturbed({}), "a perturbation for at least one region"),
        (
            lambda: replace(PLAIN, start=(PROTECT,)),
            "start must be made of Rewind, Restore, FromScratch, RewindWeights, got a str",
        ),
        (
            lambda: replace(PLAIN, start=(RewindWeights(share=0.1), RewindWeights(share=0.2))),
            "once: give one share",
        ),
        (lambda: replace(PLAIN, gradient=None), "gradient must be made of Plain, Perturbed"),
        (lambda: replace(PLAIN, batches=Poisson()), "only a private gradient is divided by"),
        (lambda: Poisson(rate=1.5), "rate must lie between 0 and 1"),
        (lambda: Poisson(rate=np.zeros(3)), "above 0 for some example"),
        (lambda: Poisson(rate=np.full((2, 2), 0.5)), "one for each member in an array"),
        (lambda: Poisson(rate=["a"]), "rate must lie between 0 and 1"),
        (lambda: Poisson(overflow=0.0), "overflow must lie above 0 and be at most 1e-6, got 0.0"),
        (lambda: Poisson(overflow=1e-3), "overflow must lie above 0 and be at most 1e-6"),
        (
            lambda: replace(TEACHERS, start=(Rewind(PROTECT),)),
            "from scratch, on members, without a teacher; this one has something to rewind",
        ),
        (
            lambda: replace(PLAIN, gradient=PRIVATE, objectives=MixupMMD(weight=1.0)),
            "needs reference examples and an objective that mixes inputs",
        ),
        (
            lambda: replace(STUDENT, ensemble=Ensemble()),
            "without a teacher; this one has an objective that needs one",
        ),
        (
            lambda: replace(TEACHERS, examples="reference"),
            "this one has reference examples to train on",
        ),
        (lambda: Recipe(name="r", phases=(STUDENT,)), "r needs a teacher: train one in a phase"),
        (lambda: Recipe(name="r", phases=(PLAIN, TEACHERS)), "r ends with an ensemble"),
        (
            lambda: Recipe(name="n" * 220, phases=(PLAIN,)),
            r"n+\.\.\. has 222 bytes with its region",
        ),
        (
            lambda: Recipe(name="r", phases=(TEACHERS, PLAIN)),
            "r must train from scratch, on the members, after the phase of an ensemble",
        ),
        (
            lambda: Recipe(name="r", phases=(TEACHERS, replace(STUDENT, examples="reference"))),
            "r must train from scratch, on the members",
        ),
        (lambda: freeze_in_turn({"stem": 3}, epochs=3), "blocks stop after 1 to 2 of the 3 epochs"),
        (lambda: freeze_in_turn({}, epochs=3), "blocks stop after 1 to 2"),
        (
            lambda: fleet(Recipe(name="r", phases=(PLAIN, replace(PLAIN, gradient=PRIVATE)))),
            "r clips the gradient of each example alone, but the model keeps running statistics",
        ),
        (
            lambda: fleet(Recipe(name="r", phases=(TEACHERS, STUDENT)), batch_size=30),
            "a sub-model of r has 26 members, too few for one batch of 30",
        ),
        (
            lambda: fleet(
                cwrf(RewindWeights(share=0.1), CE, 1, 1),
                DATA._replace(reference=DATA.reference[:9]),
            ),
            "needs at least 20 reference examples, a batch, and there are 9",
        ),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
