"""Weights by region before the clip: a loop over examples, and a bound that they do not move."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pptp_jax.regions import RegionMap
from pptp_jax.transforms import RegionClip, RegionWeights, clipped_grad, private_region_noise

EXAMPLES = 4
SHAPES = {"a": (), "b": (3,), "c": (2, 2)}
# As a private phase has it: one private region, within which the blocks have weights.
ONE = RegionMap.from_rules([(".*", "private")])
BLOCKS = RegionMap.from_rules([("a", "first"), ("[bc]", "second")])


def weighted(max_norm: Any, weights: dict[str, Any], regions: RegionMap = ONE) -> RegionClip:
    return RegionClip(regions, "private", max_norm, weights=RegionWeights(BLOCKS, weights))


def naive_sum(gradients: Any, max_norm: float, weights: dict[str, float]) -> dict[str, np.ndarray]:
    """Example by example in float64: weight each block, clip all of it, add."""
    by_leaf = {"a": weights.get("first", 1), "b": (own := weights.get("second", 1)), "c": own}
    total = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    for i in range(EXAMPLES):
        example = {name: by_leaf[name] * np.float64(g[i]) for name, g in gradients.items()}
        norm = np.sqrt(sum((g**2).sum() for g in example.values()))
        for name, g in example.items():
            total[name] += g * (min(1, max_norm / norm) if norm else 1)
    return total


@st.composite
def cases(draw: Any, hostile: bool = False) -> Any:
    values = st.floats(-8, 8, width=32)
    if hostile:
        values |= st.sampled_from([np.nan, np.inf, -np.inf, 3e38, 1e-38])
    gradients = {
        name: draw(hnp.arrays(np.float32, (EXAMPLES, *shape), elements=values))
        for name, shape in SHAPES.items()
    }
    weights = {name: draw(st.floats(1e-3, 1e3)) for name in ("first", "second")}
    return gradients, draw(st.floats(0.01, 20)), weights


@jax.jit
def summed(gradients: Any, max_norm: float, weights: Any, present: Any = None) -> Any:
    return weighted(max_norm, weights).sum(gradients, present)


@settings(max_examples=20, deadline=None)
@given(cases())
def test_a_loop_over_examples(case: Any) -> None:
    gradients, max_norm, weights = case
    total = summed(gradients, max_norm, weights)
    known = naive_sum(gradients, max_norm, weights)
    for name in SHAPES:
        np.testing.assert_allclose(total[name], known[name], rtol=1e-4, atol=1e-5 * max_norm)


@settings(max_examples=30, deadline=None)
@given(cases(hostile=True), st.integers(0, EXAMPLES - 1))
def test_an_example_changes_the_sum_by_the_norm_at_most_whatever_the_weights(
    case: Any, i: int
) -> None:
    gradients, max_norm, weights = case
    assert weighted(max_norm, weights).sensitivity == max_norm
    every = summed(gradients, max_norm, weights)
    fewer = {name: np.delete(g, i, axis=0) for name, g in gradients.items()}
    without = summed(fewer, max_norm, weights)
    absent = summed(gradients, max_norm, weights, np.arange(EXAMPLES) != i)
    for other in (without, absent):
        change = np.concatenate([np.ravel(np.float64(every[n]) - other[n]) for n in SHAPES])
        assert np.isfinite(change).all()
        assert np.linalg.norm(change) <= max_norm * (1 + 1e-5 * EXAMPLES)


@pytest.mark.parametrize("share", [1e-3, 1.0, 1e3])
def test_the_bound_is_reached(share: float) -> None:
    large = {name: np.full((1, *shape), 1e6, np.float32) for name, shape in SHAPES.items()}
    total = summed(large, 2.0, {"first": share})
    norm = np.sqrt(sum(float((leaf**2).sum()) for leaf in total.values()))
    assert norm == pytest.approx(2.0, rel=1e-5)
    # Every example is clipped: the weight is the ratio of one block to the others.
    np.testing.assert_allclose(total["a"] / total["b"], share, rtol=1e-5)


def test_norms_and_gradients_by_microbatch_are_those_of_the_weighted_example() -> None:
    clip = weighted(1.0, {"first": 2.0, "second": 0.5})

    def loss(params: Any, example: jax.Array) -> jax.Array:
        return example * (params["a"] + params["b"].sum() + params["c"].sum())

    params, batch = {n: jnp.zeros(s) for n, s in SHAPES.items()}, jnp.array([0.1, 3.0, 0.0, -1.0])
    total = clipped_grad(loss, clip, return_grad_norms=True, microbatch_size=2)
    found, more = total(params, batch)
    np.testing.assert_allclose(more.grad_norms, np.abs(batch) * np.sqrt(4 + 7 / 4), rtol=1e-5)
    alone = {n: batch.reshape(-1, *(1,) * len(s)) * jnp.ones((4, *s)) for n, s in SHAPES.items()}
    known = naive_sum(alone, 1.0, {"first": 2.0, "second": 0.5})
    for name in SHAPES:
        np.testing.assert_allclose(found[name], known[name], rtol=1e-5, atol=1e-6)


def test_the_noise_is_that_without_weights() -> None:
    zeros = {name: jnp.zeros(shape) for name, shape in SHAPES.items()}
    mine, theirs = (
        (tx := private_region_noise(clip, 2.0, batch_size=4)).update(
            zeros, tx.init(zeros), key=jax.random.key(0)
        )[0]
        for clip in (weighted(1.5, {"first": 0.01}), RegionClip(ONE, "private", 1.5))
    )
    jax.tree.map(np.testing.assert_array_equal, mine, theirs)


def test_weights_may_be_traced_and_half_precision_is_weighted_in_single() -> None:
    gradients = {n: jnp.full((EXAMPLES, *s), 2.0, jnp.bfloat16) for n, s in SHAPES.items()}

    @jax.jit
    def total(first: jax.Array) -> Any:
        return weighted(100.0, {"first": first}).sum(gradients)

    for first in (0.5, 1 / 3):
        assert total(jnp.float32(first))["a"] == pytest.approx(8 * first, rel=1e-6)
    assert total._cache_size() == 1


def test_frozen_regions_do_not_count() -> None:
    kept = RegionMap.from_rules([("a", "frozen"), (".*", "private")])
    gradients = {n: jnp.ones((1, *s)) for n, s in SHAPES.items()}
    total = weighted(1.0, {"first": 1e3}, kept).sum(gradients)
    np.testing.assert_allclose(total["b"], 1 / np.sqrt(7), rtol=1e-5)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "weights must be numbers by region, got {}"),
        (0.5, "weights must be numbers by region, got 0.5"),
        ({"frist": 1.0}, "region 'frist' is unknown; did you mean 'first'"),
        ({"first": 0.0}, "the weight of first must be a finite number above 0, got 0.0"),
        ({"first": float("inf")}, "the weight of first must be a finite number above 0, got inf"),
    ],
)
def test_bad_weights_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RegionWeights(BLOCKS, weights)
