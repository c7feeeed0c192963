"""Adapters of low rank: what they compute, where they stand, and what is refused."""

import re
from dataclasses import replace
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.models import (
    Model,
    Variables,
    cnn,
    from_equinox,
    from_nnx,
    in_precision,
    lora,
    merged,
    mlp,
    standardized,
    starting_from,
    vit,
)
from pptp_jax.models.blocks import block_numbers
from pptp_jax.models.low_rank import Adapter, _cut
from pptp_jax.regions import Block, paths

KEY = jax.random.key(3)
IMAGES = jax.random.normal(jax.random.key(8), (3, 8, 8, 1))
VIT = vit(5, patch=4, width=12, depths=[1, 1], heads=2, mlp=16, dropout=0.1)
MLP = mlp([6, 5], num_classes=3)
CNN = cnn([4], dense=8, num_classes=3, norm="batch")


def moved(tree: Any, by: float = 0.3) -> Any:
    """The tree with other numbers, as training might leave it."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(11), len(leaves))
    noise = [by * jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, [a + b for a, b in zip(leaves, noise, strict=True)])


def logits(model: Model, variables: Variables, **how: Any) -> np.ndarray:
    how = {"train": False, "key": None, **how}
    return np.asarray(model.apply(*variables, IMAGES, **how)[0])


def test_the_kernel_is_the_base_plus_the_scaled_product() -> None:
    """Against the formula, written out for one layer in NumPy."""
    plain = mlp([6], num_classes=3)
    base = jax.tree.map(np.asarray, plain.init(jax.random.key(0), IMAGES).params)
    adapted = lora(plain, 2, x=IMAGES, alpha=5.0)
    params = moved(adapted.init(KEY, IMAGES).params)
    a, b = (np.asarray(params["stem"][name]) for name in ("lora_a", "lora_b"))
    kernel = base["stem"]["kernel"] + 5.0 / 2 * a @ b
    hidden = np.tanh(np.asarray(IMAGES).reshape(3, -1) @ kernel + base["stem"]["bias"])
    expected = hidden @ base["head"]["kernel"] + base["head"]["bias"]
    np.testing.assert_allclose(logits(adapted, Variables(params, {})), expected, atol=1e-5)


@pytest.mark.parametrize("plain", [MLP, VIT, CNN], ids=["mlp", "vit", "cnn"])
def test_merged_variables_give_the_same_outputs(plain: Model) -> None:
    tuned = starting_from(plain, moved(plain.init(KEY, IMAGES)))
    adapted = lora(tuned, 2, x=IMAGES, alpha=3.0, full="head/.*")
    start = adapted.init(KEY, IMAGES)
    assert not jax.tree.leaves(start.state)
    before = tuned.init(KEY, IMAGES)
    chex.assert_trees_all_equal(merged(adapted, start), before)
    np.testing.assert_array_equal(logits(adapted, start), logits(plain, before))
    after = Variables(moved(start.params), {})
    released = merged(adapted, after)
    chex.assert_trees_all_equal_shapes_and_dtypes(released, before)
    np.testing.assert_allclose(logits(adapted, after), logits(plain, released), atol=1e-5)
    assert np.abs(logits(adapted, after) - logits(adapted, start)).max() > 0.01


def test_merging_stacked_models_is_merging_each() -> None:
    adapted = lora(MLP, 1, x=IMAGES)
    stacked = jax.vmap(lambda key: adapted.init(key, IMAGES))(jax.random.split(KEY, 3))
    stacked = Variables(moved(stacked.params), {})
    together = jax.vmap(lambda own: merged(adapted, own))(stacked)
    last = merged(adapted, jax.tree.map(lambda leaf: leaf[2], stacked))
    of_all = jax.tree.map(lambda leaf: leaf[2], together)
    chex.assert_trees_all_close(of_all, last, atol=1e-6)
    with pytest.raises(ValueError, match=r"of one adapted model"):
        merged(adapted, stacked)
    with pytest.raises(ValueError, match="only what lora"):
        merged(MLP, MLP.init(KEY, IMAGES))


def test_kernels_of_attention_are_cut_between_inputs_and_outputs() -> None:
    shapes = jax.tree.map(jnp.shape, lora(VIT, 2, x=IMAGES).init(KEY, IMAGES).params)
    attention = shapes["stage1"]["block1"]["attention"]
    assert attention["query"] == {"lora_a": (12, 2), "lora_b": (2, 12)}  # (12, 2 heads, 6)
    assert attention["out"] == {"lora_a": (12, 2), "lora_b": (2, 12)}  # (2 heads, 6, 12)
    assert shapes["stage1"]["block1"]["dense1"] == {"lora_a": (12, 2), "lora_b": (2, 16)}
    assert set(shapes) == {"stage1", "stage2"}  # neither the patches and positions nor the head


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5))
def test_a_kernel_is_cut_where_adapters_have_the_fewest_weights(shape: list[int]) -> None:
    cut = _cut(tuple(shape))
    sizes = [sum(Adapter("k", tuple(shape), c, 1).sides) for c in range(1, len(shape))]
    assert sizes[cut - 1] == min(sizes) and 0 < cut < len(shape)


def test_a_adapter_begins_uniform_and_b_at_zero() -> None:
    wide = lora(mlp([200], num_classes=3), 8, x=IMAGES)
    own = wide.init(KEY, IMAGES).params["stem"]
    a = np.asarray(own["lora_a"])
    bound = 1 / 8  # 64 rows
    assert np.abs(a).max() <= bound and np.isclose(a.var(), bound**2 / 3, rtol=0.2)
    assert not np.asarray(own["lora_b"]).any()
    other = wide.init(jax.random.key(4), IMAGES).params["stem"]["lora_a"]
    assert (np.asarray(other) != a).mean() > 0.99


def test_a_leaf_stays_in_its_block() -> None:
    adapted = lora(VIT, 2, x=IMAGES, full=r"head/.*|patch_embed/position")
    params = adapted.init(KEY, IMAGES).params
    assert [block.name for block in adapted.blocks] == [block.name for block in VIT.blocks]
    numbers = block_numbers(adapted, params)
    order = [block.name for block in VIT.blocks]
    for path, number in zip(paths(params), jax.tree.leaves(numbers), strict=True):
        assert path.split("/")[0] == order[number]
    few = lora(VIT, 2, "stage2/.*/attention/.*", x=IMAGES)
    assert few.blocks == (Block("stage2", "stage2/.*"),)
    assert all(
        re.fullmatch(r".*/attention/\w+/lora_[ab]", path)
        for path in paths(few.init(KEY, IMAGES).params)
    )


def test_blocks_whose_patterns_do_not_fit_name_their_leaves() -> None:
    plain = Model(
        lambda key, x: Variables({"w": jnp.ones((64, 4)), "v": jnp.ones((4, 3))}, {}),
        lambda params, state, x, *, train, key: (
            x.reshape(len(x), -1) @ params["w"] @ params["v"],
            state,
        ),
        blocks=(Block("first", "w"), Block("last", "v")),
    )
    adapted = lora(plain, 1, x=IMAGES)
    params = adapted.init(KEY, IMAGES).params
    assert block_numbers(adapted, params) == {
        "v": {"lora_a": 1, "lora_b": 1},
        "w": {"lora_a": 0, "lora_b": 0},
    }


def test_blocks_in_which_nothing_is_trained_drop_nothing() -> None:
    adapted = lora(VIT, 2, "stage2/.*", x=IMAGES)
    variables = adapted.init(KEY, IMAGES)
    plain = merged(adapted, variables)
    for train in (True, ("stage2",)):
        np.testing.assert_allclose(
            logits(adapted, variables, train=train, key=KEY),
            logits(VIT, plain, train=("stage2",), key=KEY),
            atol=1e-6,
        )
    assert (logits(adapted, variables, train=True, key=KEY) != logits(adapted, variables)).any()


def test_statistics_of_the_base_stay_in_training() -> None:
    adapted = lora(CNN, 2, x=IMAGES)
    variables = adapted.init(KEY, IMAGES)
    found, state = adapted.apply(*variables, IMAGES, train=True, key=KEY)
    assert state == {} and adapted.statistics is None
    np.testing.assert_array_equal(found, logits(CNN, merged(adapted, variables)))


def test_features_are_those_of_the_blocks_that_are_left() -> None:
    adapted = lora(VIT, 2, x=IMAGES)
    variables = adapted.init(KEY, IMAGES)
    assert VIT.features is not None and adapted.features is not None
    _, *expected, _ = VIT.features(*merged(adapted, variables), IMAGES)
    chex.assert_trees_all_close(adapted.features(*variables, IMAGES), tuple(expected), atol=1e-6)


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
def test_wrappers_compose(inside: bool) -> None:
    def wrapped(model: Model) -> Model:
        return in_precision(standardized(model, [0.5], [2.0]), "bfloat16")

    plain = starting_from(MLP, moved(MLP.init(KEY, IMAGES)))
    adapted = lora(wrapped(plain), 2, x=IMAGES) if inside else wrapped(lora(plain, 2, x=IMAGES))
    params = moved(adapted.init(KEY, IMAGES).params)
    released = merged(adapted, Variables(params, {}))
    expected = logits(standardized(MLP, [0.5], [2.0]), released)
    own = Variables(params, {})
    np.testing.assert_allclose(logits(adapted, own), expected, atol=1e-5)
    trained = logits(adapted, own, train=("stem",), key=KEY)
    assert trained.dtype == np.float32 and adapted.precision == "bfloat16"
    again = starting_from(adapted, own)
    chex.assert_trees_all_equal(again.init(KEY, IMAGES).params, params)
    np.testing.assert_array_equal(logits(again, own), logits(adapted, own))


def test_adapters_on_adapters_merge_one_after_the_other() -> None:
    first = lora(MLP, 2, x=IMAGES)
    tuned = starting_from(first, Variables(moved(first.init(KEY, IMAGES).params), {}))
    second = lora(tuned, 1, x=IMAGES, full="stem/lora_b")
    own = Variables(moved(second.init(KEY, IMAGES).params), {})
    released = merged(first, merged(second, own))
    np.testing.assert_allclose(logits(second, own), logits(MLP, released), atol=1e-5)


def test_modules_of_other_libraries_take_adapters() -> None:
    import equinox as eqx
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.stem = nnx.Linear(64, 8, rngs=rngs)
            self.head = nnx.Linear(8, 3, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.head(jnp.tanh(self.stem(x.reshape(len(x), -1))))

    def make(key: Any) -> Any:
        own = eqx.nn.MLP(64, 3, width_size=8, depth=1, key=key)
        return eqx.nn.Sequential([eqx.nn.Lambda(jnp.ravel), own])

    for plain, name in (
        (from_nnx(Net, ["stem", "head"]), "stem/lora_a"),
        (from_equinox(make), "layers/1/layers/0/lora_a"),
    ):
        adapted = lora(plain, 2, x=IMAGES)
        own = Variables(moved(adapted.init(KEY, IMAGES).params), {})
        assert name in paths(own.params)
        np.testing.assert_allclose(
            logits(adapted, own), logits(plain, merged(adapted, own)), atol=1e-5
        )


def test_targets_are_rules() -> None:
    def homes(targets: Any) -> set[str]:
        found = paths(lora(VIT, 1, targets, x=IMAGES).init(KEY, IMAGES).params)
        return {path.removesuffix("/lora_a") for path in found if path.endswith("_a")}

    first = VIT.blocks[1]
    dense = {f"stage1/block1/dense{i}" for i in (1, 2)}
    attention = {f"stage1/block1/attention/{name}" for name in ("query", "key", "value", "out")}
    assert homes(first) == homes([first]) == dense | attention
    assert homes(["stage1/.*/dense./kernel"]) == dense
    assert homes(lambda path, leaf: leaf.ndim == 3 and "stage1" in path) == attention
    assert homes("patch_embed/.*kernel") == {"patch_embed/patches"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rank": 0}, "rank must be an integer of at least 1"),
        ({"rank": 2, "alpha": 0.0}, "alpha must be a finite number above 0"),
        ({"rank": 6}, "stage1/kernel has 6×5, got 6: take a smaller rank"),
        ({"rank": 1, "targets": "stem/bias"}, "the rule stem/bias of targets names none of"),
        ({"rank": 1, "targets": "(stem"}, "is not a regular expression"),
        ({"rank": 1, "full": ["tail/.*"]}, "the rule tail/.* of full names none of"),
        ({"rank": 1, "full": ".*"}, "at least one kernel that is not trained in full"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        lora(MLP, **arguments, x=IMAGES)


def test_the_record_says_what_is_adapted() -> None:
    shapes = jax.ShapeDtypeStruct((1, 8, 8, 1), np.float32)
    adapted = lora(MLP, 2, ["stem/.*"], x=shapes, alpha=4.0, full="head/.*", public=True)
    assert adapted.config == {
        "name": "lora",
        "model": MLP.config,
        "rank": 2,
        "alpha": 4,
        "targets": ["stem/.*"],
        "full": ["head/.*"],
        "public": True,
    }
    assert adapted.public and replace(adapted, precision="float32").public
