"""Region maps from the blocks of a network."""

from collections.abc import Sequence

from pptp_jax.regions.region_map import RegionMap
from pptp_jax.regions.rules import Block
from pptp_jax.validation import one_of

PROTECT = "protect"
GENERAL = "general"

PRESETS = ("stem", "shallow", "deep", "head")


def protect(region: str | Sequence[str] | RegionMap, blocks: Sequence[Block]) -> RegionMap:
    """The region map that protects some blocks of a network and leaves the rest `general`.

    Args:
        region: a preset (`stem`: the first block; `shallow`: the first half of the blocks, the
            middle one included; `deep`: the others; `head`: the last), a block's name, a sequence
            of blocks' names, or a finished region map, which is returned as it is.
        blocks: the network's blocks in forward order.

    Returns:
        A region map with the labels `protect` and `general`.

    Raises:
        ValueError: if a name is neither a preset nor a block, if there are no blocks, or if every
            block would be protected.

    Examples:
        >>> blocks = [Block("stem", "stem/.*"), Block("head", "head/.*")]
        >>> protect("stem", blocks).rules
        (('stem/.*', 'protect'), ('head/.*', 'general'))
    """
    if isinstance(region, RegionMap):
        return region
    if not blocks:
        raise ValueError(
            f"region {region!r} names blocks, but the model has none: "
            "give Model(..., blocks=...) in forward order, or a RegionMap"
        )
    order = [block.name for block in blocks]
    half = (len(blocks) + 1) // 2
    presets = {"stem": order[:1], "shallow": order[:half], "deep": order[half:], "head": order[-1:]}
    if isinstance(region, str):
        one_of(dict.fromkeys([*presets, *order]), region=region)
        chosen = presets.get(region, [region])
    else:
        for name in region:
            one_of(order, region=name)
        chosen = list(region)
    if not chosen or set(chosen) == set(order):
        raise ValueError(
            f"region {region!r} would protect {len(chosen)} of the {len(order)} blocks "
            f"{', '.join(order)}; a region map needs a block on either side"
        )
    return RegionMap.from_rules(
        [(block, PROTECT if block.name in chosen else GENERAL) for block in blocks]
    )


def by_depth(cuts: Sequence[tuple[float, str]], blocks: Sequence[Block]) -> RegionMap:
    """The region map that cuts a network at fractions of its depth.

    Block i of B, counted from 0, lies at depth (i + ½)/B and belongs to the first cut that is not
    above it; `by_depth([(0.5, "protect"), (1.0, "general")], blocks)` is the preset `shallow`.

    Args:
        cuts: pairs of a depth in (0, 1] at which a region ends, ascending to 1, and its label.
        blocks: the network's blocks in forward order.

    Raises:
        ValueError: if the depths do not ascend to 1, or a region would get no block.

    Examples:
        >>> blocks = [Block(name, f"{name}/.*") for name in ("stem", "stage1", "head")]
        >>> by_depth([(0.4, "protect"), (1.0, "general")], blocks).rules
        (('stem/.*', 'protect'), ('stage1/.*', 'general'), ('head/.*', 'general'))
    """
    depths = [depth for depth, _ in cuts]
    if not cuts or depths[-1] != 1 or depths[0] <= 0 or sorted(set(depths)) != depths:
        raise ValueError(f"cuts must ascend from above 0 to exactly 1, got {depths}")
    rules = []
    for i, block in enumerate(blocks):
        middle = (i + 0.5) / len(blocks)
        rules.append((block, next(label for depth, label in cuts if middle <= depth)))
    given, got = dict.fromkeys(label for _, label in cuts), {label for _, label in rules}
    if set(given) != got:
        raise ValueError(
            f"the regions {', '.join(label for label in given if label not in got)} would get "
            f"none of the {len(blocks)} blocks {', '.join(block.name for block in blocks)}; "
            f"the cuts are {depths}"
        )
    return RegionMap.from_rules(rules)
