"""A rewound region begins again, in the parameters and in the optimiser's memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from transform_table import REGIONS, TABLE, tree, update, weight_map

from pptp_jax.regions import Regions
from pptp_jax.transforms import apply_to_region, rewind_region, rewind_region_state

KEY = jax.random.key(0)
OPTIMISERS: dict[str, Callable[[], Any]] = {
    "momentum": lambda: optax.sgd(0.1, momentum=0.9),
    "adamw": lambda: optax.adamw(0.1, weight_decay=0.1),
    "injected": lambda: optax.inject_hyperparams(optax.adam)(0.1),
    "accumulated": lambda: optax.MultiSteps(optax.sgd(0.1, momentum=0.9), 2),
    "masked": lambda: apply_to_region(optax.adam(0.1), REGIONS, "protect"),
    "partitioned": lambda: optax.partition(
        {"protect": optax.adam(0.1), "general": optax.sgd(0.1)}, REGIONS.labels
    ),
    "no memory": lambda: optax.sgd(0.1),
}


def steps(tx: Any, params: Any, count: int) -> Any:
    state = tx.init(params)
    for _ in range(count):
        with jax.numpy_dtype_promotion("standard"):  # MultiSteps divides a float by its count
            _, state = tx.update(params, state, params)
    return state


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
@pytest.mark.parametrize("weights", [False, True])
def test_the_memory_of_the_region_alone_begins_again(make: Callable, weights: bool) -> None:
    """Every array of the region's shape holds zeros in the region, and what it held elsewhere."""
    params, tx = tree(), make()
    params["stage"].pop("empty")
    regions: Regions = weight_map(params) if weights else REGIONS
    state = steps(tx, params, 3)
    rewound = rewind_region_state(state, tx, params, regions, "protect")
    assert jax.tree.structure(rewound) == jax.tree.structure(state)
    masks = {
        path[-2:]: np.broadcast_to(mask, leaf.shape)
        for (path, mask), leaf in zip(
            jax.tree_util.tree_leaves_with_path(regions.mask(params, "protect")),
            jax.tree.leaves(params),
            strict=True,
        )
    }
    fresh = tx.init(params)
    for (path, now), old, new in zip(
        jax.tree_util.tree_leaves_with_path(rewound),
        jax.tree.leaves(state),
        jax.tree.leaves(fresh),
        strict=True,
    ):
        inside = masks.get(path[-2:], np.zeros(np.shape(now), bool))
        np.testing.assert_array_equal(now, np.where(inside, new, old))


def test_what_parameters_share_stays() -> None:
    params, tx = tree(), optax.adam(0.1)
    state = rewind_region_state(steps(tx, params, 3), tx, params, REGIONS, "protect")
    assert int(state[0].count) == 3


@pytest.mark.parametrize("name", TABLE)
def test_the_states_of_our_transforms_can_be_rewound(name: str) -> None:
    params, tx = tree(), TABLE[name].make(REGIONS)
    _, state = update(tx, params, tx.init(params), params, KEY)
    rewound = rewind_region_state(state, tx, params, REGIONS, "protect")
    assert jax.tree.structure(rewound) == jax.tree.structure(state)


def test_a_rewound_region_does_not_drift() -> None:
    """With zero gradients after the rewinding, momentum would go on; a fresh one moves nothing."""
    initial = jax.tree.map(jnp.ones_like, tree())
    tx = optax.sgd(0.1, momentum=0.9)
    state, params = steps(tx, initial, 3), tree()
    params = rewind_region(params, initial, REGIONS, "protect")
    zeros = jax.tree.map(jnp.zeros_like, params)
    drift, _ = tx.update(zeros, state, params)
    assert jnp.any(drift["stem"]["w"])
    still, _ = tx.update(zeros, rewind_region_state(state, tx, params, REGIONS, "protect"), params)
    assert not jnp.any(still["stem"]["w"])
    np.testing.assert_array_equal(still["head"]["w"], drift["head"]["w"])


def test_single_weights_are_rewound() -> None:
    now, then = tree(0), tree(1)
    weights = weight_map(now)
    back = rewind_region(now, then, weights, "protect")
    mask = weights.mask(now, "protect")
    expected = jax.tree.map(lambda m, a, b: np.where(m, b, a), mask, now, then)
    jax.tree.map(np.testing.assert_array_equal, back, expected)


def test_rewinding_works_in_a_fleet() -> None:
    """Each model goes back to its own initial values."""
    now, then = tree(0), jax.vmap(lambda x: jax.tree.map(lambda p: p + x, tree(1)))(jnp.arange(3.0))
    back = jax.vmap(lambda earlier: rewind_region(now, earlier, REGIONS, "protect"))(then)
    np.testing.assert_array_equal(back["stem"]["w"], then["stem"]["w"])
    np.testing.assert_array_equal(back["head"]["w"][2], now["head"]["w"])


def test_other_trees_are_refused() -> None:
    params = tree()
    with pytest.raises(ValueError, match=r"(?s)structure of the present ones, .*head.*; they have"):
        rewind_region(params, {"stem": params["stem"]}, REGIONS, "protect")
    wide = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), params)
    with pytest.raises(ValueError, match=r"earlier has shape \(2,\) at head/scale, where \(\)"):
        rewind_region(params, wide, REGIONS, "protect")
    with pytest.raises(ValueError, match=r"it has the leaves none, the optimiser makes .*trace"):
        tx = optax.sgd(0.1, momentum=0.9)
        rewind_region_state(optax.sgd(0.1).init(params), tx, params, REGIONS, "protect")
