"""A parameter that a phase trains and that cannot move is refused; others may stay."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small import BATCH, CE, DATA, INDICES, MODEL

from pptp_jax.models import Model, Variables
from pptp_jax.regions import RegionMap
from pptp_jax.training import (
    SGD,
    Execution,
    Perturbation,
    Phase,
    Private,
    Recipe,
    RewindWeights,
    check_model,
    cwrf,
    dp_sgd,
    freeze,
    perturb,
    train_fleet,
    undefended,
)
from pptp_jax.training.movement import sums
from pptp_jax.training.unread import unread

pytestmark = pytest.mark.usefixtures("compile_in_haste")

ONE = Recipe(
    name="one", phases=(Phase(epochs=1, objectives=CE, frozen=("protect",)),), region="stem"
)


def with_more(used: str) -> Model:
    """The small network with one parameter more, that its outputs use in some way or not at all."""

    def init(key: Any, x: Any) -> Variables:
        params, state = MODEL.init(key, x)
        return Variables({**params, "more": {"w": jnp.full(10, 0.5)}}, state)

    def apply(params: Any, state: Any, x: Any, *, train: Any, key: Any) -> Any:
        own, w = {k: v for k, v in params.items() if k != "more"}, params["more"]["w"]
        logits, state = MODEL.apply(own, state, x, train=train, key=key)
        dead = jnp.broadcast_to(jnp.maximum(w - 9.0, 0.0), logits.shape)
        return {"dead": logits + dead, "unread": logits}[used], state

    return Model(init, apply)


def train(model: Model, recipe: Recipe, optimizer: Any = None, **execution: Any) -> Variables:
    [ended] = train_fleet(
        model,
        recipe,
        DATA,
        INDICES,
        optimizer=optimizer,
        batch_size=BATCH,
        execution=Execution(groups=[(0, 1)], **execution),
    )
    return ended.variables


def test_a_parameter_that_no_output_depends_on_is_refused_by_name() -> None:
    said = "more/w: trained, and moved in none of the models, because no output of the model"
    with pytest.raises(ValueError, match=re.escape(said)):
        train(with_more("unread"), undefended(1))
    assert unread(with_more("unread"), DATA.batch_shape()) == {"more/w"}


def test_a_parameter_that_the_optimizer_passes_over_is_refused_by_name() -> None:
    head = RegionMap.from_rules([("head/.*", "head"), (".*", "rest")])
    frozen = optax.chain(optax.sgd(0.1), optax.freeze(head.mask_fn("head")))
    said = "head/bias, head/kernel: trained, and moved in none of the models, because the optimizer"
    with pytest.raises(ValueError, match=re.escape(said)):
        train(MODEL, undefended(1), frozen)


def test_a_dead_unit_is_no_fault() -> None:
    params = train(with_more("dead"), undefended(1)).params
    np.testing.assert_array_equal(params["more"]["w"], 0.5)


@pytest.mark.parametrize(
    ("recipe", "optimizer"),
    [
        (ONE, None),
        (freeze("stem", after=1, more=1), None),
        (perturb("stem", Perturbation(scale=0.0), epochs=1), None),
        (perturb("stem", Perturbation(rate=1.0), epochs=1), None),
        (undefended(1), SGD(learning_rate=1e-30)),
        (cwrf(RewindWeights(share=1.0, reference_weight=0.0), CE, epochs=1, more=1), None),
    ],
    ids=["frozen", "freeze", "scale", "drop", "no rate", "all weights"],
)
def test_what_a_recipe_keeps_still_is_no_fault(recipe: Recipe, optimizer: Any) -> None:
    train(MODEL, recipe, optimizer)


def test_noise_alone_would_move_it() -> None:
    recipe = dp_sgd(Private(noise_multiplier=1.0), epochs=1)
    check_model(recipe, MODEL, DATA.batch_shape())
    with pytest.raises(ValueError, match=r"dp_sgd would move more/w by noise alone"):
        check_model(recipe, with_more("unread"), DATA.batch_shape())


def test_sums_see_every_bit_of_any_type() -> None:
    params = {
        "half": jnp.zeros((3, 2, 2), jnp.bfloat16),
        "one": jnp.zeros(3),
        "none": jnp.zeros((3, 0)),
    }
    before = sums(params)
    params["half"] = params["half"].at[1, 1, 0].set(1e-30)
    half, _, one = sums(params)
    assert (half == before[0]).tolist() == [True, False, True]
    assert (one == before[2]).all()
