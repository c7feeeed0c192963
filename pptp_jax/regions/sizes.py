"""The size of each region in a network."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from pptp_jax.regions.regions import Regions


class Size(NamedTuple):
    """The size of a region.

    Attributes:
        parameters: the number of single weights.
        bytes: their memory.
    """

    parameters: int
    bytes: int


def sizes(regions: Regions, params: PyTree) -> dict[str, Size]:
    """The size of each region.

    Args:
        regions: which parameter, or weight, belongs to which region.
        params: the parameters, or their shapes (`jax.eval_shape`).

    Examples:
        >>> import jax.numpy as jnp
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("w", "protect"), ("b", "general")])
        >>> sizes(regions, {"w": jnp.ones((2, 3)), "b": jnp.ones(3, jnp.bfloat16)})
        {'protect': Size(parameters=6, bytes=24), 'general': Size(parameters=3, bytes=6)}
    """
    found = {}
    leaves = [
        leaf if hasattr(leaf, "dtype") else np.asarray(leaf) for leaf in jax.tree.leaves(params)
    ]
    for label in regions.names:
        # A static mask is one truth for an entire leaf; a mask of weights is counted.
        counts = [
            leaf.size * mask if isinstance(mask, bool) else int(mask.sum())
            for mask, leaf in zip(jax.tree.leaves(regions.mask(params, label)), leaves, strict=True)
        ]
        memory = [count * leaf.dtype.itemsize for count, leaf in zip(counts, leaves, strict=True)]
        found[label] = Size(sum(counts), sum(memory))
    return found


def table(regions: Regions, params: PyTree) -> str:
    """The regions' parameters, share of all parameters and bytes, for `describe`."""
    found = sizes(regions, params)
    total = Size(*(sum(column) for column in zip(*found.values(), strict=True)))
    rows = [("region", "parameters", "share", "bytes")]
    for label, size in {**found, "total": total}.items():
        share = 100 * size.parameters / max(total.parameters, 1)
        rows.append((label, f"{size.parameters:,}", f"{share:.1f} %", f"{size.bytes:,}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
