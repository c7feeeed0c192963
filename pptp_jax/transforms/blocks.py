"""The part of a region that lies in each block."""

import re
from collections.abc import Sequence

import jax
from jaxtyping import PyTree

from pptp_jax.regions import Block, paths
from pptp_jax.validation import Refused


def block_masks(mask: PyTree, tree: PyTree, blocks: Sequence[Block]) -> list[PyTree]:
    """Divides a region's mask among blocks; the first block that matches a path has it.

    Args:
        mask: what `Regions.mask` gave for `tree`.
        tree: the tree.
        blocks: the blocks; those without a parameter of the region get an empty mask.

    Raises:
        ValueError: if a parameter of the region lies in no block.
    """
    names, leaves = paths(tree), jax.tree.leaves(mask)
    owners = [
        next((i for i, block in enumerate(blocks) if re.fullmatch(block.pattern, name)), None)
        for name in names
    ]
    homeless = [
        name
        for name, owner, chosen in zip(names, owners, leaves, strict=True)
        if owner is None and chosen is not False
    ]
    if homeless:
        raise Refused(
            f"the parameters {', '.join(homeless)} of the region lie in no block; "
            f"the blocks are {', '.join(block.name for block in blocks)}"
        )
    structure = jax.tree.structure(mask)
    return [
        jax.tree.unflatten(
            structure,
            [chosen if owner == i else False for owner, chosen in zip(owners, leaves, strict=True)],
        )
        for i in range(len(blocks))
    ]
