"""Transforms that act on one region and leave the others alone."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from pptp_jax.regions import RegionMap
from pptp_jax.validation import one_of


def _mask(region_map: RegionMap, label: str) -> Callable[[Any], Any]:
    one_of(region_map.names, label=label)
    return lambda tree: jax.tree.map(lambda own: own == label, region_map.labels(tree))


def apply_to_region(
    inner: optax.GradientTransformation, region_map: RegionMap, label: str
) -> optax.GradientTransformationExtraArgs:
    """Applies `inner` to one region; the updates of the others pass unchanged.

    The other regions take no part in `inner`: they get no state, and no norm counts them.

    Args:
        inner: any transform; extra arguments of `update` reach it.
        region_map: which parameter belongs to which region.
        label: the region.

    Raises:
        ValueError: if no rule of the map has this label.

    Examples:
        >>> import jax.numpy as jnp
        >>> regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
        >>> params = {"stem": {"w": jnp.ones(1)}, "head": {"w": jnp.ones(1)}}
        >>> tx = apply_to_region(optax.scale(10.0), regions, "protect")
        >>> updates, _ = tx.update(params, tx.init(params), params)
        >>> print(updates["stem"]["w"], updates["head"]["w"])
        [10.] [1.]
    """
    return optax.masked(inner, _mask(region_map, label))


def freeze_region(region_map: RegionMap, label: str) -> optax.GradientTransformationExtraArgs:
    """Sets the updates of one region to zero; those of the others pass unchanged.

    Put it last in a chain, so that nothing before it (weight decay, momentum) moves the region.
    Under `jax.jit` the region's gradients are then dead code, which the compiler removes.

    Args:
        region_map: which parameter belongs to which region.
        label: the region.

    Raises:
        ValueError: if no rule of the map has this label.

    Examples:
        >>> import jax.numpy as jnp
        >>> regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
        >>> params = {"stem": {"w": jnp.ones(1)}, "head": {"w": jnp.ones(1)}}
        >>> tx = optax.chain(optax.sgd(0.5), freeze_region(regions, "protect"))
        >>> updates, _ = tx.update(params, tx.init(params), params)
        >>> print(updates["stem"]["w"], updates["head"]["w"])
        [0.] [-0.5]
    """
    return optax.masked(optax.set_to_zero(), _mask(region_map, label))
