"""Masks give each weight one region; the ranking chooses exactly as many as were requested."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.regions import RegionMap, WeightMap, check_record, top_weights

pytestmark = pytest.mark.usefixtures("compile_in_haste")
PARAMS = {"a": jnp.arange(6.0).reshape(2, 3), "b": jnp.arange(4.0)}
MASK = {"a": PARAMS["a"] > 3, "b": PARAMS["b"] > 2}


def naive_top(scores: np.ndarray, share: float, inside: np.ndarray) -> np.ndarray:
    """Sorts all positions, best first and first come first served, and takes the first k."""
    order = sorted(range(scores.size), key=lambda i: (-scores[i], i))
    allowed = [i for i in order if inside[i]]
    chosen = np.zeros(scores.size, bool)
    chosen[allowed[: round(np.float32(share) * np.float32(len(allowed)))]] = True
    return chosen


values = st.integers(-3, 3)
leaf = st.one_of(st.just([]), st.lists(values, min_size=4, max_size=4))  # few shapes to compile


@given(
    st.lists(leaf, min_size=1, max_size=2),
    st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_top_weights_equal_a_naive_sort(leaves, share, per_leaf, random) -> None:
    scores = [np.array(leaf, np.float32) for leaf in leaves]
    inside = [np.array([random.random() < 0.7 for _ in leaf], bool) for leaf in leaves]
    found = top_weights(scores, share, per_leaf=per_leaf, within=inside)
    if per_leaf:
        expected = [naive_top(s, share, i) for s, i in zip(scores, inside, strict=True)]
    else:
        flat = naive_top(np.concatenate(scores), share, np.concatenate(inside))
        expected = np.split(flat, np.cumsum([s.size for s in scores])[:-1])
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_static_masks_rank_as_arrays_do() -> None:
    static = top_weights(PARAMS, 0.5, within={"a": True, "b": False})
    arrays = {"a": jnp.ones((2, 3), bool), "b": jnp.zeros(4, bool)}
    dynamic = top_weights(PARAMS, 0.5, within=arrays)
    jax.tree.map(np.testing.assert_array_equal, static, dynamic)
    assert int(static["a"].sum()) == 3


def test_each_model_of_a_fleet_ranks_its_own_weights() -> None:
    scores = jax.random.normal(jax.random.key(0), (3, 10))
    shares = jnp.array([0.1, 0.5, 0.9])
    fleet = jax.jit(jax.vmap(top_weights))({"w": scores}, shares)
    alone = [top_weights({"w": s}, float(r))["w"] for s, r in zip(scores, shares, strict=True)]
    np.testing.assert_array_equal(fleet["w"], np.stack(alone))
    np.testing.assert_array_equal(fleet["w"].sum(1), [1, 5, 9])


def test_regions_divide_the_weights() -> None:
    weights = WeightMap.from_masks({"protect": MASK}, rest="general")
    assert weights.names == ("protect", "general")
    jax.tree.map(np.testing.assert_array_equal, weights.mask(PARAMS, "protect"), MASK)
    rest = weights.mask(PARAMS, "general")
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, ~b), rest, MASK)
    both = weights.mask(PARAMS, "protect", "general")
    assert all(leaf.all() for leaf in jax.tree.leaves(both))


def test_a_mask_reaches_into_a_masked_tree() -> None:
    weights = WeightMap.from_masks({"protect": MASK})
    part = weights.mask({"a": optax.MaskedNode(), "b": PARAMS["b"]}, "protect")
    assert part["a"] == optax.MaskedNode()
    np.testing.assert_array_equal(part["b"], MASK["b"])


def test_a_weight_map_is_data() -> None:
    weights = WeightMap.from_masks({"protect": MASK})
    out = jax.jit(lambda w, p: w.mask(p, "protect"))(weights, PARAMS)
    jax.tree.map(np.testing.assert_array_equal, out, MASK)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({}, "got masks for none"),
        ([MASK], "masks must be trees by region, got list"),
        ({3: MASK}, "a region's label must be a name such as 'protect', got 3"),
        ({"p": {"a": "x"}}, "must be boolean, got <U1 at a"),
        ({"general": MASK}, "not for the rest, 'general'; got masks for 'general'"),
        ({"p": {"a": jnp.ones(2)}}, "must be boolean, got float32 at a"),
        ({"p": MASK, "q": {"a": MASK["a"]}}, "mask of q has no leaf at b; its leaves are a"),
        ({"p": {"a": MASK["a"]}, "q": MASK}, "mask of p has no leaf at b"),
        ({"p": {"a": MASK["b"]}, "q": {"a": MASK["a"]}}, r"q has shape \(2, 3\) at a"),
        ({"p": MASK, "q": MASK}, "p and q both claim 2 weights of a"),
    ],
)
def test_bad_masks_are_refused(masks: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WeightMap.from_masks(masks)


def test_of_traced_masks_the_first_has_the_weight() -> None:
    def count(mask: dict) -> tuple[jax.Array, jax.Array]:
        weights = WeightMap.from_masks({"p": mask, "q": mask})
        return tuple(weights.mask({"b": PARAMS["b"]}, x)["b"].sum() for x in ("p", "q"))

    assert jax.jit(count)({"b": MASK["b"]}) == (1, 0)


def test_the_mask_must_fit_the_tree() -> None:
    weights = WeightMap.from_masks({"protect": {"a": MASK["a"]}})
    with pytest.raises(ValueError, match="the mask of protect has no leaf at b"):
        weights.mask(PARAMS, "protect")
    with pytest.raises(ValueError, match="'pro' is unknown; did you mean 'protect'"):
        weights.mask(PARAMS, "pro")


def test_records_tell_masks_apart() -> None:
    weights = WeightMap.from_masks({"protect": MASK})
    record = json.loads(json.dumps(weights.to_json()))
    check_record(WeightMap.from_masks({"protect": jax.tree.map(jnp.copy, MASK)}), record)
    moved = {**MASK, "b": jnp.roll(MASK["b"], 1)}
    with pytest.raises(ValueError, match="not those of the record"):
        check_record(WeightMap.from_masks({"protect": moved}), record)
    with pytest.raises(ValueError, match="not those of the record"):
        check_record(RegionMap.from_rules([(".*", "general")]), record)
    with pytest.raises(ValueError, match="traced at a and has no values"):
        jax.jit(lambda mask: WeightMap.from_masks({"p": mask}).to_json() and 0)(MASK)


def test_describe_counts_weights() -> None:
    rows = WeightMap.from_masks({"protect": MASK}).describe(PARAMS).splitlines()
    assert rows[1].split() == ["protect", "3", "30.0", "%", "12"]
    assert rows[2].split() == ["general", "7", "70.0", "%", "28"]
