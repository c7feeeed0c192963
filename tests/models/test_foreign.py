"""Modules of NNX and Equinox as models: trained, queried, attacked and studied as our own are."""

from functools import partial
from pathlib import Path
from typing import Any

import chex
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from pptp_jax.data import Arrays, Balanced, Digits
from pptp_jax.models import (
    Model,
    Variables,
    from_equinox,
    from_linen,
    from_nnx,
    recompute_statistics,
    save_variables,
    starting_from,
)
from pptp_jax.storage.record import describe
from pptp_jax.study import Study, run
from pptp_jax.training import Checkpoint, Execution, freeze, train_fleet, undefended
from pptp_jax.validation import Refused

DATA = Arrays.of(Digits().load(lambda n: np.arange(120)))
INDICES = np.arange(80).reshape(2, 40)
X = DATA.inputs(slice(0, 6))


class Nnx(nnx.Module):
    """With everything that modules have besides weights: statistics, random streams, a list."""

    def __init__(self, rngs: nnx.Rngs, width: int = 7) -> None:
        self.stem = nnx.Linear(64, width, rngs=rngs)
        self.norm = nnx.BatchNorm(width, momentum=0.9, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.layers = nnx.List([nnx.Linear(width, 10, rngs=rngs)])

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.norm(self.stem(x.reshape(len(x), -1)))
        return self.layers[0](self.drop(nnx.relu(x)))


class Equinox(eqx.Module):
    stem: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    drop: eqx.nn.Dropout
    layers: list[eqx.nn.Linear]

    def __init__(self, key: jax.Array, width: int = 7) -> None:
        first, last = jax.random.split(key)
        self.stem = eqx.nn.Linear(64, width, key=first)
        self.norm = eqx.nn.BatchNorm(width, axis_name="batch", mode="ema", momentum=0.9)
        self.drop = eqx.nn.Dropout(0.5)
        self.layers = [eqx.nn.Linear(width, 10, key=last)]

    def __call__(self, x: jax.Array, state: Any, *, key: Any = None) -> Any:
        x, state = self.norm(self.stem(x.reshape(-1)), state)
        return self.layers[0](self.drop(jax.nn.relu(x), key=key)), state


BLOCKS = ("stem", "norm", "layers/0")
MODELS = {"nnx": from_nnx(Nnx, BLOCKS), "equinox": from_equinox(Equinox, BLOCKS)}
every = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def initial(model: Model) -> Variables:
    return model.init(jax.random.key(0), X)


@every
def test_answers_are_those_of_the_module_itself(model: Model) -> None:
    params, state = initial(model)
    logits, after = model.apply(params, state, X, train=False, key=None)
    chex.assert_trees_all_equal(after, state)
    if model is MODELS["nnx"]:
        module = Nnx(nnx.Rngs(jax.random.key(0)))
        module.eval()
        expected = module(X)
    else:
        module, memory = eqx.nn.make_with_state(Equinox)(jax.random.key(0))
        module = eqx.nn.inference_mode(module)
        expected = jnp.stack([module(x, memory)[0] for x in X])
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)


@every
def test_training_mode_drops_by_the_key_and_moves_the_statistics(model: Model) -> None:
    params, state = initial(model)
    first, again, other = (
        model.apply(params, state, X, train=True, key=jax.random.key(key)) for key in (1, 1, 2)
    )
    chex.assert_trees_all_equal(first, again)
    assert (first[0] != other[0]).any()
    chex.assert_trees_all_equal_shapes_and_dtypes(first[1], state)
    moved = [(a != b).any() for a, b in zip(*map(jax.tree.leaves, (first[1], state)), strict=True)]
    assert any(moved)


@every
def test_a_block_in_eval_mode_leaves_its_statistics_alone(model: Model) -> None:
    params, state = initial(model)
    _, after = model.apply(params, state, X, train=("stem", "layers/0"), key=jax.random.key(1))
    chex.assert_trees_all_equal(after, state)
    _, after = model.apply(params, state, X, train=("norm",), key=jax.random.key(1))
    expected = model.apply(params, state, X, train=True, key=jax.random.key(1))[1]
    chex.assert_trees_all_close(after, expected, rtol=1e-6)
    with pytest.raises(Refused, match="tail"):
        model.apply(params, state, X, train=("tail",), key=jax.random.key(1))


@every
def test_a_stopped_fleet_goes_on_to_the_same_networks(model: Model, tmp_path: Path) -> None:
    stops = iter([True, False, False])

    def fleet(**execution: Any) -> Any:
        options = Execution(groups=[(0, 1)], **execution)
        recipe = freeze("stem", after=1, more=1)
        [ended] = train_fleet(model, recipe, DATA, INDICES, batch_size=20, execution=options)
        assert ended.finite.all()
        return ended.variables

    kept = {"checkpoint": lambda group: Checkpoint(tmp_path / "c", every=0.0)}
    with pytest.raises(KeyboardInterrupt):
        fleet(**kept, stop=lambda: next(stops))
    chex.assert_trees_all_equal(fleet(**kept), fleet())


@every
def test_weights_are_saved_and_taken_up_by_name(model: Model, tmp_path: Path) -> None:
    variables = initial(model)
    save_variables(tmp_path / "mine.npz", variables)
    tuned = starting_from(model, tmp_path / "mine.npz", fresh=["layers/0"])
    found = tuned.init(jax.random.key(3), X)
    chex.assert_trees_all_equal(found.params["stem"], variables.params["stem"])
    assert (jax.tree.leaves(found.params["layers"])[1] != 0).any()


def test_statistics_of_nnx_are_recomputed_as_those_of_linen_are() -> None:
    import flax.linen as nn

    class Linen(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
            x = nn.Dense(7, name="stem")(x.reshape(len(x), -1))
            return nn.BatchNorm(use_running_average=not train, name="norm")(x)

    linen, model, batches = from_linen(Linen(), ["stem"]), MODELS["nnx"], X.reshape(2, 3, 8, 8, 1)
    own = initial(model)
    twin = linen.init(jax.random.key(0), X)
    twin = Variables({"stem": own.params["stem"], "norm": own.params["norm"]}, twin.state)
    found = recompute_statistics(model, own, batches).state["state"]["norm"]
    expected = recompute_statistics(linen, twin, batches).state["batch_stats"]["norm"]
    chex.assert_trees_all_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wrap, module", [(from_nnx, Nnx), (from_equinox, Equinox)])
def test_a_record_has_the_arguments_or_what_the_user_says(wrap: Any, module: Any) -> None:
    derived = describe(wrap(partial(module, width=3)))
    assert derived == {"name": wrap.__name__, "make": module.__qualname__, "width": 3}
    assert describe(wrap(module, config={"name": "mine"})) == {"name": "mine"}


@pytest.mark.parametrize("name", MODELS)
def test_a_study_attacks_them(name: str, tmp_path: Path) -> None:
    study = Study(
        name="foreign",
        data=Digits(),
        model=MODELS[name],
        split=Balanced(models=6),
        examples=120,
        batch_size=20,
        resamples=20,
        recipes=(undefended(1), freeze("stem", after=1, more=1)),
        attacks=("lira_online", "rmia_online"),
    )
    rows = run(study, tmp_path)["rows"]
    assert [row["recipe"] for row in rows] == ["undefended", "freeze"]
    assert all({"lira_online", "rmia_online"} <= set(row["attacks"]) for row in rows)
