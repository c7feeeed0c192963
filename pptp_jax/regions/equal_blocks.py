"""The control of a region's choice: random blocks with as many parameters."""

from collections.abc import Sequence
from itertools import chain, combinations

import jax
import numpy as np
from jaxtyping import PyTree

from pptp_jax.regions.blocks import PROTECT, Region, protect
from pptp_jax.regions.region_map import RegionMap
from pptp_jax.regions.rules import Block
from pptp_jax.regions.sizes import sizes
from pptp_jax.validation import Refused, at_least, one_of

# Up to this number of blocks, trying all sets of them takes a moment.
_MOST_BLOCKS = 20


def equal_blocks(
    region: Region, blocks: Sequence[Block], params: PyTree, seed: int = 0
) -> tuple[str, ...]:
    """Draws blocks at random whose number of parameters is nearest to that of a region.

    Of all sets of blocks other than the region's own, but for the set of all blocks, those are
    kept whose number of parameters is nearest to the region's; one of them is drawn. A set may
    share blocks with the region. Blocks of a network are seldom alike in size, so see how near the
    control comes: `sizes(protect(chosen, blocks), params)`.

    Args:
        region: what is protected, as `protect` takes it; a region map must be one of entire blocks.
        blocks: the network's blocks in forward order, at most 20.
        params: the parameters, or their shapes (`jax.eval_shape`).
        seed: which of the nearest sets is drawn.

    Returns:
        The names of the blocks in forward order: a region.

    Raises:
        ValueError: if the region has no part `protect` or divides a block, or there are fewer than
            two or more than 20 blocks.

    Examples:
        >>> import jax.numpy as jnp
        >>> params = {"stem": jnp.ones(8), "stage1": jnp.ones(3), "head": jnp.ones(6)}
        >>> blocks = [Block(name, name) for name in params]
        >>> equal_blocks("stem", blocks, params)
        ('stage1', 'head')
    """
    order = [block.name for block in blocks]
    at_least(2, blocks=len(blocks))
    if len(blocks) > _MOST_BLOCKS:
        raise Refused(
            f"all sets of blocks are compared, so there may be at most {_MOST_BLOCKS}, got "
            f"{len(blocks)}: join some of them"
        )
    by_block = RegionMap.from_rules([(block, block.name) for block in blocks])
    counts = {name: size.parameters for name, size in sizes(by_block, params).items()}
    own = _protected(protect(region, blocks), by_block, params)

    def total(chosen: tuple[str, ...]) -> int:
        return sum(counts[name] for name in chosen)

    sets = chain.from_iterable(combinations(order, size) for size in range(1, len(order)))
    gaps = {chosen: abs(total(chosen) - total(own)) for chosen in sets if chosen != own}
    least = min(gaps.values())
    nearest = [chosen for chosen, gap in gaps.items() if gap == least]
    return nearest[np.random.default_rng(seed).integers(len(nearest))]


def _protected(regions: RegionMap, by_block: RegionMap, params: PyTree) -> tuple[str, ...]:
    """The blocks of the part `protect`, in forward order."""
    one_of(regions.names, **{"the region to match": PROTECT})
    labels = jax.tree.leaves(regions.labels(params))
    names = jax.tree.leaves(by_block.labels(params))
    inside = set(zip(names, labels, strict=True))
    own = [name for name in by_block.names if (name, PROTECT) in inside]
    for name, label in zip(names, labels, strict=True):
        if name in own and label != PROTECT:
            raise Refused(
                f"the region to match divides the block {name}; it must be one of entire blocks"
            )
    return tuple(own)
