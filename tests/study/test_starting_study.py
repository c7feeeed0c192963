"""Studies of a network that starts from given values."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import pytest
from small_study import STUDY

from pptp_jax.data import Arrays
from pptp_jax.fleets import fingerprint
from pptp_jax.models import Variables, mlp, starting_from
from pptp_jax.objectives import TaskLoss
from pptp_jax.regions import PROTECT
from pptp_jax.study import overridden
from pptp_jax.training import Phase, Recipe, Rewind, make_train, undefended

START = STUDY.model.init(jax.random.key(9), jnp.ones((1, 8, 8, 1)))


def moved(start: Variables) -> Variables:
    params = {**start.params, "head": jax.tree.map(lambda leaf: leaf + 1e-4, start.params["head"])}
    return start._replace(params=params)


def test_frozen_and_rewound_regions_have_the_given_values() -> None:
    data = Arrays.of(STUDY.load())
    phases = (
        Phase(epochs=1, objectives=TaskLoss()),
        Phase(epochs=1, objectives=TaskLoss(), start=(Rewind(PROTECT),), frozen=(PROTECT,)),
    )
    recipe = Recipe(name="back", phases=phases, region="stem")
    train = jax.jit(make_train(starting_from(STUDY.model, START), recipe, batch_size=50))
    (params, _), _ = train(jax.random.key(0), data, jnp.arange(150))
    chex.assert_trees_all_equal(params["stem"], START.params["stem"])
    with pytest.raises(AssertionError):
        chex.assert_trees_all_equal(params["head"], START.params["head"])


def test_other_values_are_another_fleet() -> None:
    data = STUDY.load()

    def known(start: Variables) -> str:
        study = replace(STUDY, model=starting_from(STUDY.model, start))
        return fingerprint(study.fleet_spec(undefended(1), data))

    assert known(START) == known(jax.tree.map(jnp.array, START)) != known(moved(START))


def test_values_that_do_not_fit_are_refused_before_training() -> None:
    study = replace(STUDY, model=starting_from(mlp([9], num_classes=10), START))
    with pytest.raises(ValueError, match=r"the given values do not fit the model: .* is needed"):
        study.load()


def test_the_model_is_changed_in_its_file() -> None:
    study = replace(STUDY, model=starting_from(STUDY.model, START))
    with pytest.raises(ValueError, match="change this one where it is defined"):
        overridden(study, ["model.dropout=0.1"])
