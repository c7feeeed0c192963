"""Models that start from given values: what they are, where they come from, what is refused."""

import re
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from pptp_jax.models import (
    Model,
    Variables,
    cnn,
    mlp,
    rebuilt,
    save_variables,
    starting_from,
)

X, KEY, OTHER = jnp.ones((2, 8, 8, 1)), jax.random.key(0), jax.random.key(1)
NORMED = cnn([4], dense=8, num_classes=3, norm="batch")


def trained(model: Model = NORMED) -> Variables:
    """Values that no initialiser makes, statistics included."""
    variables = model.init(jax.random.key(5), X)
    return jax.tree.map(lambda leaf: leaf + jnp.float32(leaf.size), variables)


def test_every_key_begins_with_the_given_values() -> None:
    tuned = starting_from(NORMED, trained())
    for key in (KEY, OTHER):
        chex.assert_trees_all_equal(tuned.init(key, X), trained())
    mapped = jax.jit(jax.vmap(lambda key: tuned.init(key, X)))(jax.random.split(KEY, 3))
    chex.assert_trees_all_equal(jax.tree.map(lambda leaf: leaf[2], mapped), trained())
    assert (tuned.apply, tuned.blocks) == (NORMED.apply, NORMED.blocks)


@pytest.mark.parametrize("how", ["npz", "orbax"])
def test_files_give_the_same_model(tmp_path: Path, how: str) -> None:
    variables = trained()
    if how == "npz":
        save_variables(tmp_path / "w.npz", variables)
        path = tmp_path / "w.npz"
    else:  # as Linen's users keep them
        path = tmp_path / "w"
        with ocp.StandardCheckpointer() as orbax:
            orbax.save(path, {"params": variables.params, **variables.state})
    tuned = starting_from(NORMED, path)
    chex.assert_trees_all_equal(tuned.init(KEY, X), variables)
    assert tuned.config == starting_from(NORMED, variables).config


def test_a_model_of_any_tree_and_state(tmp_path: Path) -> None:
    model = Model(
        init=lambda key, x: Variables([jnp.zeros(2), jnp.zeros(())], (jnp.int32(0),)),
        apply=lambda params, state, x, *, train, key: (x, state),
    )
    variables = Variables([jnp.ones(2), jnp.float32(3)], (jnp.int32(4),))
    save_variables(tmp_path / "w.npz", variables)
    assert sorted(np.load(tmp_path / "w.npz").files) == ["params/0", "params/1", "state/0"]
    chex.assert_trees_all_equal(
        starting_from(model, tmp_path / "w.npz").init(None, jnp.ones((1, 2))), variables
    )


def test_a_fresh_block_is_random_and_may_have_another_shape() -> None:
    wider = cnn([4], dense=8, num_classes=7, norm="batch")
    tuned = starting_from(wider, trained(), fresh=["head"])
    first, second = (tuned.init(key, X) for key in (KEY, OTHER))
    chex.assert_trees_all_equal(first.params["head"], wider.init(KEY, X).params["head"])
    assert not np.array_equal(first.params["head"]["kernel"], second.params["head"]["kernel"])
    for name in ("stem", "stage1"):
        chex.assert_trees_all_equal(first.params[name], trained().params[name])
    stem = starting_from(NORMED, trained(), fresh=["stem"]).init(KEY, X)
    chex.assert_trees_all_equal(
        stem.state["batch_stats"]["stem"], NORMED.init(KEY, X).state["batch_stats"]["stem"]
    )


def test_the_record_tells_values_and_blocks_apart() -> None:
    variables = trained()
    same = starting_from(NORMED, jax.tree.map(np.asarray, variables)).config
    assert same == starting_from(NORMED, variables).config
    params = jax.tree.map(lambda leaf: leaf, variables.params)
    params["head"]["bias"] = params["head"]["bias"].at[0].add(1e-3)
    others = [
        starting_from(NORMED, Variables(params, variables.state)),
        starting_from(NORMED, variables, fresh=["head"]),
    ]
    assert len({str(same), *(str(model.config) for model in others)}) == 3
    assert same["model"] == NORMED.config and len(same["start"]) == 64


def changed(**params) -> Variables:
    return Variables({**trained().params, **params}, trained().state)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (changed(more=jnp.ones(1)), "do not fit the model: they have params/more"),
        (Variables({}, trained().state), "they lack params/head/bias, params/head/kernel, params/"),
        (Variables(trained().params, {}), "they lack batch_stats/stem/norm/mean, batch_stats/"),
        (
            changed(head={"kernel": jnp.ones((8, 2)), "bias": jnp.ones(3)}),
            r"params/head/kernel has shape \(8, 2\), where \(8, 3\) is needed(\n|$)",
        ),
        (
            changed(head={"kernel": jnp.ones((8, 3)), "bias": jnp.ones(3, jnp.int32)}),
            "params/head/bias holds int32, where float32 is needed",
        ),
    ],
    ids=["more", "no parameters", "no statistics", "shape", "type"],
)
def test_values_that_do_not_fit(start: Variables, message: str) -> None:
    model = starting_from(NORMED, start)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(model.init, KEY, X)


def test_what_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fresh 'haed' is unknown; did you mean 'head'"):
        starting_from(NORMED, trained(), fresh=["haed"])
    with pytest.raises(ValueError, match="fresh must be a tuple"):
        starting_from(NORMED, trained(), fresh="head")
    broken = changed(head={"kernel": jnp.full((8, 3), jnp.nan), "bias": jnp.ones(3)})
    with pytest.raises(ValueError, match="must be finite; params/head/kernel holds NaN"):
        starting_from(NORMED, broken)
    assert starting_from(NORMED, broken, fresh=["head"])  # it is not looked at
    with pytest.raises(ValueError, match="there is no such file"):
        starting_from(NORMED, tmp_path / "none.npz")
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path}: this is no tree that Orbax")):
        starting_from(NORMED, tmp_path)
    np.savez(tmp_path / "words.npz", **{"params/head/bias": np.array(["a"])})
    with pytest.raises(ValueError, match="must be numbers; params/head/bias holds <U1"):
        starting_from(NORMED, tmp_path / "words.npz")


def test_it_is_changed_where_it_is_defined() -> None:
    with pytest.raises(ValueError, match="change this one where it is defined"):
        rebuilt(starting_from(mlp([8], 3), trained(mlp([8], 3))), dropout=0.1)
