"""Setting random coordinates of a region's gradient to zero."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pptp_jax.regions import Block, Regions
from pptp_jax.transforms.blocks import block_masks
from pptp_jax.transforms.keys import fold_in_name, leaf_keys, step_key
from pptp_jax.transforms.select import check_label, check_trees, checked_init, map_region
from pptp_jax.validation import Refused, at_least, fraction


def drop_region_updates(
    region_map: Regions,
    label: str,
    rate: float | jax.Array,
    *,
    stream: str = "drop_region_updates",
) -> optax.GradientTransformationExtraArgs:
    """Sets each coordinate of a region's gradient to zero with probability p, drawn in every step.

    g ← m · g with independent m ~ Bernoulli(1 - p). The expectation shrinks by 1 - p; chain a
    `scale_region` of 1/(1 - p) behind it to keep it.

    Args:
        region_map: which parameter, or weight, belongs to which region.
        label: the region.
        rate: p, between 0 and 1.
        stream: the name that is drawn under, with the label. In `optax.chain`, two of one label
            need two names; `pptp_jax.transforms.chain` needs none.

    Returns:
        A transform without state, whose `update` needs `key=`, one a step.

    Raises:
        ValueError: if the map has no region of this label, or p lies outside [0, 1]; in `update`,
            if the key is missing, or `params` and `updates` differ in their leaves.

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> grads = {"stem": jnp.ones(10_000), "head": jnp.ones(2)}
        >>> tx = drop_region_updates(regions, "protect", rate=0.9)
        >>> updates, _ = tx.update(grads, tx.init(grads), key=jax.random.key(0))
        >>> print(updates["stem"].mean().round(1), updates["head"])
        0.1 [1. 1.]
    """
    check_label(region_map, label)
    fraction(rate=rate)

    def update(
        updates: optax.Updates,
        state: optax.EmptyState,
        params: optax.Params | None = None,
        *,
        key: jax.Array | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, optax.EmptyState]:
        check_trees(updates, params)
        keys = leaf_keys(key, updates, f"{stream}:{label}")

        def dropped(u: Any, key: jax.Array) -> jax.Array:
            return jnp.where(jax.random.bernoulli(key, rate, jnp.shape(u)), 0, u)

        return map_region(dropped, region_map.mask(updates, label), updates, keys), state

    init = checked_init(optax.EmptyState, region_map, label)
    return optax.GradientTransformationExtraArgs(init, update)


def drop_region_blocks(
    region_map: Regions,
    label: str,
    blocks: Sequence[Block],
    keep: int = 1,
    *,
    stream: str = "drop_region_blocks",
) -> optax.GradientTransformationExtraArgs:
    """Lets only a few blocks of a region learn in each step: random block-coordinate descent.

    In every step `keep` of the B blocks are drawn without replacement; the gradient of the region
    in the other blocks is set to zero.

    Args:
        region_map: which parameter, or weight, belongs to which region.
        label: the region.
        blocks: the blocks to draw from; each parameter of the region must be in one.
        keep: how many blocks learn in a step, from 1 to B.
        stream: the name that is drawn under, with the label; see `drop_region_updates`.

    Returns:
        A transform without state, whose `update` needs `key=`, one a step.

    Raises:
        ValueError: if the map has no region of this label, or `keep` is not between 1 and B; in
            `update`, if the key is missing, `params` and `updates` differ in their leaves, or no
            block has a parameter of the region.

    References:
        Nesterov, "Efficiency of coordinate descent methods on huge-scale optimization problems",
        2012, https://doi.org/10.1137/100802001

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([(".*", "protect")])
        >>> blocks = [Block("stem", "stem"), Block("head", "head")]
        >>> grads = {"stem": jnp.ones(()), "head": jnp.ones(())}
        >>> tx = drop_region_blocks(regions, "protect", blocks)
        >>> updates, _ = tx.update(grads, tx.init(grads), key=jax.random.key(0))
        >>> print(updates["stem"] + updates["head"])
        1.0
    """
    check_label(region_map, label)
    at_least(1, keep=keep)
    if keep > len(blocks):
        raise Refused(f"keep must be at most the number of blocks, {len(blocks)}, got {keep}")

    def update(
        updates: optax.Updates,
        state: optax.EmptyState,
        params: optax.Params | None = None,
        *,
        key: jax.Array | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, optax.EmptyState]:
        check_trees(updates, params)
        own = fold_in_name(step_key(key, stream), f"{stream}:{label}")
        active = jax.random.permutation(own, len(blocks)) < keep
        parts = block_masks(region_map.mask(updates, label), updates, blocks)
        for i, part in enumerate(parts):
            updates = map_region(lambda u, a=active[i]: jnp.where(a, u, 0), part, updates)
        return updates, state

    init = checked_init(optax.EmptyState, region_map, label)
    return optax.GradientTransformationExtraArgs(init, update)
