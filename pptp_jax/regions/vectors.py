"""A tree as one vector a region."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.regions.region_map import RegionMap

# The label of all parameters together.
ALL = "all"


def region_vectors(
    tree: Any, regions: RegionMap | None, leading: int = 0
) -> dict[str, Float[Array, "..."]]:
    """The numbers of each region in one vector, and those of all regions under `all`.

    Args:
        tree: parameters, or gradients or updates of their structure.
        regions: which parameter belongs to which region; None gives `all` alone.
        leading: how many axes, such as examples, all leaves have in front.

    Returns:
        Arrays (*leading, numbers) by label.

    Examples:
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> found = region_vectors({"stem": jnp.ones((2, 3)), "head": jnp.ones(4)}, regions)
        >>> {label: vector.shape for label, vector in found.items()}
        {'protect': (6,), 'general': (4,), 'all': (10,)}
    """
    leaves = [leaf.reshape(*leaf.shape[:leading], -1) for leaf in jax.tree.leaves(tree)]
    parts = {ALL: leaves}
    if regions is not None:
        labels = jax.tree.leaves(regions.labels(tree))
        own = zip(labels, leaves, strict=True)
        found: dict[str, list[Any]] = {name: [] for name in regions.names}
        for label, leaf in own:
            found[label].append(leaf)
        parts = found | parts
    return {label: jnp.concatenate(part, axis=-1) for label, part in parts.items()}
