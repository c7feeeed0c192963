"""Freezing a region."""

import optax

from pptp_jax.regions import Regions
from pptp_jax.transforms.apply import apply_to_region


def freeze_region(region_map: Regions, label: str) -> optax.GradientTransformationExtraArgs:
    """Sets the updates of one region to zero; those of the others pass unchanged.

    This is `optax.freeze(region_map.mask_fn(label))` for regions of single weights too. Put it last
    in a chain, so that nothing before it (weight decay, momentum) moves the region.
    Under `jax.jit` the region's gradients are then dead code, which the compiler removes. The
    optimiser before it still keeps a state for the region; `pptp(..., freeze=True)` does not.

    Args:
        region_map: which parameter, or weight, belongs to which region.
        label: the region.

    Returns:
        A transform without state of its own.

    Raises:
        ValueError: if the map has no region of this label; in `update`, if `params` and `updates`
            differ in their leaves.

    Examples:
        >>> import jax.numpy as jnp
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
        >>> params = {"stem": {"w": jnp.ones(1)}, "head": {"w": jnp.ones(1)}}
        >>> tx = optax.chain(optax.sgd(0.5), freeze_region(regions, "protect"))
        >>> updates, _ = tx.update(params, tx.init(params), params)
        >>> print(updates["stem"]["w"], updates["head"]["w"])
        [0.] [-0.5]
    """
    return apply_to_region(optax.set_to_zero(), region_map, label)
