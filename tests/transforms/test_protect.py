"""`pptp` is the chain that it says it is; a frozen region costs nothing and moves nowhere."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from transform_table import REGIONS, tree, weight_map

from pptp_jax.regions import paths
from pptp_jax.transforms import pptp


def train(tx: optax.GradientTransformationExtraArgs, params: Any, steps: int = 3) -> Any:
    state = tx.init(params)
    for _ in range(steps):
        with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its count
            updates, state = tx.update(params, state, params)
        params = optax.apply_updates(params, updates)
    return params


def test_weight_decay_and_momentum_leave_a_frozen_region_alone() -> None:
    before = tree()
    after = train(pptp(optax.adamw(0.1, weight_decay=0.5), REGIONS, freeze=True), before)
    for name in ("stem", "stage"):
        jax.tree.map(np.testing.assert_array_equal, after[name], before[name])
    whole = train(optax.adamw(0.1, weight_decay=0.5), before)
    jax.tree.map(np.testing.assert_allclose, after["head"], whole["head"])


def test_frozen_leaves_have_no_state() -> None:
    state = pptp(optax.adam(0.1), REGIONS, freeze=True).init(tree())
    assert len(paths(state)) == 1 + 2 * 2  # the count, two moments of the two leaves of the head
    assert not any("stem" in path or "stage" in path for path in paths(state))


def test_frozen_weights_do_not_change() -> None:
    before = tree()
    weights = weight_map(before)
    after = train(pptp(optax.adamw(0.1, weight_decay=0.5), weights, freeze=True), before)
    mask = weights.mask(before, "protect")
    moved = jax.tree.map(lambda a, b: a != b, after, before)
    jax.tree.map(lambda m, now: np.testing.assert_array_equal(now, ~m), mask, moved)


def test_a_joint_norm_of_the_inner_optimiser_does_not_count_what_is_frozen() -> None:
    grads = jax.tree.map(lambda leaf: 100 * jnp.ones_like(leaf), tree())
    tx = pptp(optax.clip_by_global_norm(1.0), REGIONS, freeze=True)
    updates, _ = tx.update(grads, tx.init(grads), grads)
    np.testing.assert_allclose(optax.tree.norm(updates), 1.0, rtol=1e-5)


def test_the_gradient_of_a_frozen_region_is_dead_code() -> None:
    """The compiled step needs as many operations as one that never asks for it."""
    params = {"stem": {"w": jnp.ones((64, 64))}, "head": {"w": jnp.ones((64, 64))}}
    regions = type(REGIONS).from_rules([("stem/.*", "protect"), ("head/.*", "general")])
    tx = pptp(optax.sgd(0.1), regions, freeze=True)
    x = jnp.ones((64, 64))

    def loss(params: Any) -> jax.Array:
        return jnp.square(jnp.tanh(x @ params["stem"]["w"]) @ params["head"]["w"]).sum()

    def frozen(params: Any) -> Any:
        updates, _ = tx.update(jax.grad(loss)(params), tx.init(params), params)
        return optax.apply_updates(params, updates)

    def head_alone(params: Any) -> Any:
        grad = jax.grad(lambda head: loss({**params, "head": head}))(params["head"])
        return {**params, "head": jax.tree.map(lambda p, g: p - 0.1 * g, params["head"], grad)}

    def products(step: Any) -> int:
        return jax.jit(step).lower(params).compile().as_text().count(" dot(")

    assert products(frozen) == products(head_alone)


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match=r"give freeze=True or max_norm, scale, not both"):
        pptp(optax.sgd(0.1), REGIONS, freeze=True, max_norm=1.0, scale=0.1)
    with pytest.raises(ValueError, match="freeze must be True or False, got 'no'"):
        pptp(optax.sgd(0.1), REGIONS, freeze="no")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nothing would protect 'general'"):
        pptp(optax.sgd(0.1), REGIONS, "general")
    with pytest.raises(ValueError, match=r"inner must be an optimiser, such as .*, got RegionMap"):
        pptp(REGIONS, optax.sgd(0.1), freeze=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"region_map must be a RegionMap or .*, got \('stem',"):
        pptp(optax.sgd(0.1), ("stem", "head"), freeze=True)  # type: ignore[arg-type]
