"""What holds of every transform in the table."""

from operator import itemgetter
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AxisType, PartitionSpec
from transform_table import REGIONS, TABLE, Case, expected, tree, update, weight_map

from pptp_jax.regions import RegionMap, Regions
from pptp_jax.transforms import apply_to_region, freeze_region

every = pytest.mark.parametrize("case", TABLE.values(), ids=TABLE)
KEY = jax.random.key(0)


def two_steps(case: Case, regions: Regions, params: Any, key: jax.Array) -> tuple[Any, Any, Any]:
    tx = case.make(regions)
    first, state = update(tx, params, tx.init(params), params, jax.random.fold_in(key, 0))
    second, state = update(tx, params, state, params, jax.random.fold_in(key, 1))
    return first, second, state


def assert_close(left: Any, right: Any) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), left, right)


def assert_naive(case: Case, regions: Regions, grads: Any) -> None:
    """Two steps give what two rounds of the naive twin give, in a tree of the same structure."""
    for step, updates in enumerate(two_steps(case, regions, grads, KEY)[:2]):
        assert jax.tree.structure(updates) == jax.tree.structure(grads)
        wanted = expected(case, regions, grads, jax.random.fold_in(KEY, step), step)
        for got, want in zip(jax.tree.leaves(updates), wanted, strict=True):
            np.testing.assert_allclose(got, want, 1e-5, 1e-6)


@every
def test_equals_the_naive_loop(case: Case) -> None:
    assert_naive(case, REGIONS, tree())


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if case.weights])
def test_equals_the_naive_loop_on_single_weights(name: str) -> None:
    assert_naive(TABLE[name], weight_map(tree()), tree())


names = st.sampled_from("wbc")
shapes = st.sampled_from([(), (2,), (2, 3), (0,)])
branches = st.dictionaries(names, st.one_of(shapes, st.none()), min_size=1, max_size=3)
trees = st.dictionaries(st.sampled_from(["stem", "stage", "head"]), branches, min_size=1)


@every
@settings(max_examples=4)
@given(trees, st.sampled_from(["stem.*", ".*/w", ".*/[wb]", "head/.*"]), st.integers(0, 9))
def test_random_trees_and_rules(case: Case, shapes: Any, pattern: str, seed: int) -> None:
    draw = np.random.default_rng(seed).normal
    grads = jax.tree.map(
        lambda shape: jnp.asarray(draw(size=shape), jnp.float32),
        shapes,
        is_leaf=lambda shape: isinstance(shape, tuple),
    )
    rules = RegionMap.from_rules([(pattern, "protect"), (".*", "general")])
    try:
        rules.labels(grads)
    except ValueError:  # an idle rule: here every leaf is to be in the one region that is left
        rules = RegionMap.from_rules([(".*", "protect")])
    assert_naive(case, rules, grads)


@every
def test_jit_changes_nothing_and_compiles_once(case: Case) -> None:
    params, tx = tree(), case.make(REGIONS)
    first, second, _ = two_steps(case, REGIONS, params, KEY)
    compiled = jax.jit(lambda *args: update(tx, *args))
    one, state = compiled(params, jax.jit(tx.init)(params), params, jax.random.fold_in(KEY, 0))
    two, _ = compiled(params, state, params, jax.random.fold_in(KEY, 1))
    assert compiled._cache_size() == 1
    assert_close((one, two), (first, second))


@every
def test_a_fleet_is_many_models_alone(case: Case) -> None:
    """Two models on each of eight devices, mapped: each is as it is alone, on one device."""
    keys = jax.random.split(KEY, 16)
    models = [tree(seed) for seed in range(16)]
    fleet = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)

    def run(params: Any, key: jax.Array) -> Any:
        return two_steps(case, REGIONS, params, key)

    mesh = jax.make_mesh((8,), ("models",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("models")
    sharded = jax.shard_map(jax.vmap(run), mesh=mesh, in_specs=spec, out_specs=spec)
    trained = jax.jit(sharded)(fleet, keys)
    for i in (4, 5, 15):
        assert_close(jax.tree.map(itemgetter(i), trained), run(models[i], keys[i]))


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if case.random])
def test_each_model_of_a_fleet_draws_its_own(name: str) -> None:
    """Equal gradients, different keys: the updates of the region differ from model to model."""
    params, tx = tree(), TABLE[name].make(REGIONS)
    keys = jax.random.split(KEY, 6)
    drawn, _ = jax.jit(jax.vmap(lambda key: update(tx, params, tx.init(params), params, key)))(keys)
    region = np.concatenate([drawn[name]["w"].reshape(6, -1) for name in ("stem", "stage")], 1)
    # Of three blocks two are active, so of six models some must agree: at least two differ.
    assert len(np.unique(region, axis=0)) >= (2 if "blocks" in name else 6)


@every
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_dtypes_are_kept(case: Case, dtype: Any) -> None:
    """No update and no state changes its dtype, and nothing is promoted on the way."""
    params, tx = tree(dtype=dtype), case.make(REGIONS)
    with jax.numpy_dtype_promotion("strict"):
        before = jax.eval_shape(tx.init, params)
        updates, after = jax.eval_shape(lambda s: update(tx, params, s, params, KEY), before)
    assert updates == jax.eval_shape(lambda: params)
    assert before == after


@every
def test_a_masked_part_is_updated_as_in_the_full_tree(case: Case) -> None:
    """An outer mask hides leaves of the other region; the rest must not notice."""
    params, tx = tree(), case.make(REGIONS)
    visible = {**jax.tree.map(lambda _: True, params), "head": {"w": True, "scale": False}}
    masked = optax.masked(tx, visible)
    updates, _ = update(masked, params, masked.init(params), params, KEY)
    whole, _ = update(tx, params, tx.init(params), params, KEY)
    np.testing.assert_array_equal(updates["head"]["scale"], params["head"]["scale"])
    updates["head"].pop("scale"), whole["head"].pop("scale")
    assert_close(updates, whole)


@every
def test_a_subtree_may_be_masked_away(case: Case) -> None:
    params, tx = tree(), case.make(REGIONS)
    masked = optax.masked(tx, {"stem": True, "stage": True, "head": False})
    updates, _ = update(masked, params, masked.init(params), params, KEY)
    assert_close(updates["head"], params["head"])
    masked = optax.masked(tx, {"stem": False, "stage": False, "head": False})
    updates, _ = update(masked, params, masked.init(params), params, KEY)
    assert_close(updates, params)


@every
def test_nests_in_partition_and_in_regions(case: Case) -> None:
    """In `partition` and `apply_to_region` over the same region the result is the same."""
    params, tx = tree(), case.make(REGIONS)
    whole, _ = update(tx, params, tx.init(params), params, KEY)
    nests = [
        optax.partition({"protect": tx, "general": optax.identity()}, REGIONS.labels),
        apply_to_region(tx, REGIONS, "protect"),
        apply_to_region(apply_to_region(tx, REGIONS, "protect"), REGIONS, "protect"),
    ]
    for nest in nests:
        updates, _ = update(nest, params, nest.init(params), params, KEY)
        assert_close([updates["stem"], updates["stage"]], [whole["stem"], whole["stage"]])
        assert_close(updates["head"], params["head"])
    nest = optax.chain(tx, freeze_region(REGIONS, "protect"))
    updates, _ = update(nest, params, nest.init(params), params, KEY)
    assert not any(jnp.any(leaf) for leaf in jax.tree.leaves([updates["stem"], updates["stage"]]))


@every
def test_nests_in_multisteps(case: Case) -> None:
    """Two half-steps on the same gradient are one step on it."""
    params, tx = tree(), case.make(REGIONS)
    whole, _ = update(tx, params, tx.init(params), params, KEY)
    slow = optax.MultiSteps(tx, every_k_schedule=2)
    half_step = jax.jit(lambda state: update(slow, params, state, params, KEY))
    with jax.numpy_dtype_promotion("standard"):  # MultiSteps divides a float by its count
        none, state = half_step(slow.init(params))
        assert not any(jnp.any(leaf) for leaf in jax.tree.leaves(none))
        assert_close(half_step(state)[0], whole)


@every
def test_extra_arguments_are_passed_on(case: Case) -> None:
    seen: list[Any] = []

    def note(updates: Any, state: Any, params: Any = None, *, value: Any, **_: Any) -> Any:
        seen.append(value)
        return updates, state

    probe = optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), note)
    params, tx = tree(), optax.chain(case.make(REGIONS), apply_to_region(probe, REGIONS, "general"))
    tx.update(params, tx.init(params), params, key=KEY, scores=params, value=3)
    assert seen == [3]


@every
def test_the_state_survives_orbax(case: Case, tmp_path: Path) -> None:
    params, tx = tree(), case.make(REGIONS)
    params["stage"].pop("empty")  # Orbax saves no empty arrays
    _, state = update(tx, params, tx.init(params), params, KEY)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", {"state": state, "step": 1})
        checkpointer.wait_until_finished()
        like = jax.eval_shape(lambda: {"state": tx.init(params), "step": 0})
        restored = checkpointer.restore(tmp_path / "state", like)["state"]
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    assert_close(
        update(tx, params, restored, params, KEY)[0], update(tx, params, state, params, KEY)[0]
    )


@every
def test_parameters_that_differ_are_refused(case: Case) -> None:
    params, tx = tree(), case.make(REGIONS)
    other = {**params, "head": {"w": params["head"]["w"], "more": params["head"]["scale"]}}
    with pytest.raises(ValueError, match=r"alone have head/scale, params alone have head/more"):
        update(tx, params, tx.init(params), other, KEY)


@every
def test_an_uncovered_tree_is_refused(case: Case) -> None:
    grads, tx = {**tree(), "tail": jnp.ones(())}, case.make(REGIONS)
    with pytest.raises(ValueError, match=r"no rule covers the parameters tail; the rules are"):
        tx.init(grads)
    with pytest.raises(ValueError, match=r"no rule covers the parameters tail; the rules are"):
        update(tx, grads, tx.init(tree()), grads, KEY)


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if case.random])
@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, r"needs key=, one typed key .*; got none"),
        (np.zeros(2, np.uint32), r"needs key=, .*; got uint32 of shape \(2,\), .*wrap_key_data"),
        (jax.random.split(KEY, 3), r"needs key=, .*; got keys of shape \(3,\)"),
    ],
)
def test_a_step_without_its_key_is_refused(name: str, key: Any, message: str) -> None:
    params, tx = tree(), TABLE[name].make(REGIONS)
    with pytest.raises(ValueError, match=message):
        tx.update(params, tx.init(params), params, key=key)
