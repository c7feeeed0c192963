"""Applying a transform to one region alone."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pptp_jax.regions import RegionMap, Regions
from pptp_jax.transforms.select import check_label, check_trees, map_region


def apply_to_region(
    inner: optax.GradientTransformation, region_map: Regions, label: str
) -> optax.GradientTransformationExtraArgs:
    """Applies `inner` to one region; the updates of the others pass unchanged.

    The other regions take no part in `inner`: no norm counts them and, where the map is one of
    entire leaves, they get no state. A `WeightMap` divides leaves: `inner` then sees all of a leaf,
    with zeros in place of the weights of other regions.

    Args:
        inner: any transform; extra arguments of `update` reach it.
        region_map: which parameter, or weight, belongs to which region.
        label: the region.

    Returns:
        A transform with the state `optax.MaskedState`.

    Raises:
        ValueError: if the map has no region of this label; in `update`, if `params` and `updates`
            differ in their leaves.

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
        >>> params = {"stem": {"w": jnp.ones(1)}, "head": {"w": jnp.ones(1)}}
        >>> tx = apply_to_region(optax.scale(10.0), regions, "protect")
        >>> updates, _ = tx.update(params, tx.init(params), params)
        >>> print(updates["stem"]["w"], updates["head"]["w"])
        [10.] [1.]
    """
    check_label(region_map, label)
    return apply_to_regions(inner, region_map, [label])


def apply_to_regions(
    inner: optax.GradientTransformation, region_map: Regions, labels: Sequence[str]
) -> optax.GradientTransformationExtraArgs:
    """Applies `inner` to several regions as if they were one; they may be none."""
    if isinstance(region_map, RegionMap):
        tx = optax.masked(inner, region_map.mask_fn(*labels))
    else:
        tx = _masked_weights(inner, region_map, labels)

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        check_trees(updates, params)
        return tx.update(updates, state, params, **extra_args)

    return optax.GradientTransformationExtraArgs(tx.init, update)


def _masked_weights(
    inner: optax.GradientTransformation, region_map: Regions, labels: Sequence[str]
) -> optax.GradientTransformationExtraArgs:
    inner = optax.with_extra_args_support(inner)

    def init(params: optax.Params) -> optax.MaskedState:
        return optax.MaskedState(inner.init(params))

    def update(
        updates: optax.Updates,
        state: optax.MaskedState,
        params: optax.Params | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, optax.MaskedState]:
        mask = region_map.mask(updates, *labels)
        own = jax.tree.map(lambda chosen, u: jnp.where(chosen, u, 0), mask, updates)
        own, inner_state = inner.update(own, state.inner_state, params, **extra_args)
        return map_region(lambda _, new: new, mask, updates, own), optax.MaskedState(inner_state)

    return optax.GradientTransformationExtraArgs(init, update)
