"""Taking a region back to the values that it once had."""

from typing import Any

import jax

from pptp_jax.regions import RegionMap
from pptp_jax.validation import one_of


def rewind_region(params: Any, earlier: Any, region_map: RegionMap, label: str) -> Any:
    """The parameters with one region taken back to earlier values.

    Args:
        params: the parameters now.
        earlier: a tree of the same structure, such as the initial parameters.
        region_map: which parameter belongs to which region.
        label: the region.

    Raises:
        ValueError: if no rule of the map has this label, or the trees differ in structure.

    Examples:
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> rewind_region({"stem": 5.0, "head": 7.0}, {"stem": 0.0, "head": 0.0}, regions, "protect")
        {'head': 7.0, 'stem': 0.0}
    """
    one_of(region_map.names, label=label)
    if jax.tree.structure(params) != jax.tree.structure(earlier):
        raise ValueError(
            "the earlier parameters must have the structure of the present ones, "
            f"{jax.tree.structure(params)}; they have {jax.tree.structure(earlier)}"
        )
    return jax.tree.map(
        lambda own, now, then: then if own == label else now,
        region_map.labels(params),
        params,
        earlier,
    )
