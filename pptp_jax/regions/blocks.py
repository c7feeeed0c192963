"""Region maps from the blocks of a network."""

from collections.abc import Mapping, Sequence

from pptp_jax.regions.region_map import RegionMap
from pptp_jax.regions.rules import Block
from pptp_jax.validation import Refused, not_negative, one_of, several

PROTECT = "protect"
GENERAL = "general"

# `auto` is a preset too, but which blocks it means is found by measuring a fleet.
PRESETS = {
    "stem": "the first block",
    "shallow": "the first half of the blocks, the middle one included",
    "deep": "the other half",
    "head": "the last block",
    "auto": "the blocks that a risk map finds",
}

Region = str | Sequence[str] | Mapping[str, Sequence[str]] | RegionMap


def protect(region: Region, blocks: Sequence[Block]) -> RegionMap:
    """The region map that protects some blocks of a network and leaves the rest `general`.

    Args:
        region: a preset (`stem`: the first block; `shallow`: the first half of the blocks, the
            middle one included; `deep`: the others; `head`: the last), a block's name, or either
            after the word `not`, for all other blocks (`not stem`); a sequence of blocks' names;
            several regions, as blocks' names by label; or a finished region map, which is returned
            as it is.
        blocks: the network's blocks in forward order.

    Returns:
        A region map with the labels `protect`, or those given, and `general`.

    Raises:
        ValueError: if a name is neither a preset nor a block, a block is in two regions, there are
            no blocks, or no block would be left `general`.

    Examples:
        >>> blocks = [Block("stem", "stem/.*"), Block("stage1", "s/.*"), Block("head", "head/.*")]
        >>> protect("stem", blocks).rules
        (('stem/.*', 'protect'), ('s/.*', 'general'), ('head/.*', 'general'))
        >>> protect("not stem", blocks).rules
        (('stem/.*', 'general'), ('s/.*', 'protect'), ('head/.*', 'protect'))
        >>> protect({"first": ["stem"], "then": ["stage1"]}, blocks).rules
        (('stem/.*', 'first'), ('s/.*', 'then'), ('head/.*', 'general'))
    """
    if isinstance(region, RegionMap):
        return region
    if not blocks:
        raise Refused(
            f"region {region!r} names blocks, but the model has none: "
            "give Model(..., blocks=...) in forward order, or a RegionMap"
        )
    order = [block.name for block in blocks]
    named = region if isinstance(region, Mapping) else {PROTECT: _blocks(region, order)}
    labels: dict[str, str] = {}
    for label, names in named.items():
        several(**{f"region {label!r}": names})
        for name in names:
            one_of(order, region=name)
            if name in labels:
                raise Refused(f"block {name!r} would be in the regions {labels[name]} and {label}")
            labels[name] = label
    if not labels or set(labels) == set(order) or not all(named.values()):
        raise Refused(
            f"region {region!r} would protect {len(labels)} of the {len(order)} blocks "
            f"{', '.join(order)}; a region map needs a block on either side"
        )
    return RegionMap.from_rules([(block, labels.get(block.name, GENERAL)) for block in blocks])


def asks_for_auto(region: Region | None) -> bool:
    """Whether a region is `auto` or `not auto`, which only a measurement can tell.

    Examples:
        >>> asks_for_auto("not auto"), asks_for_auto("stem")
        (True, False)
    """
    return isinstance(region, str) and region.removeprefix("not ") == "auto"


def region_name(region: Region | None) -> str:
    """A region in a word for tables and files; `custom` for a map, `-` for none.

    Examples:
        >>> region_name(("stem", "stage1")), region_name({"early": ["stem"]}), region_name(None)
        ('stem+stage1', 'stem@early', '-')
    """
    if region is None:
        return "-"
    if isinstance(region, RegionMap):
        return "custom"
    if isinstance(region, Mapping):
        return "+".join(f"{'+'.join(names)}@{label}" for label, names in region.items())
    return region if isinstance(region, str) else "+".join(region)


def _blocks(region: str | Sequence[str], order: Sequence[str]) -> list[str]:
    """The names of the blocks that a region means."""
    if not isinstance(region, str):
        several(region=region)
        return list(region)
    half = (len(order) + 1) // 2
    presets = {"stem": order[:1], "shallow": order[:half], "deep": order[half:], "head": order[-1:]}
    if asks_for_auto(region):
        raise Refused(
            f"region {region!r} is found by measuring, as `pptp run` does it; elsewhere give the "
            "blocks of pptp_jax.locate.choose(risk_map, budget)"
        )
    name = region.removeprefix("not ")
    one_of(dict.fromkeys([*presets, *order]), region=name)
    chosen = presets.get(name, [name])
    return [block for block in order if (block in chosen) == (name == region)]


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
    several(cuts=cuts)
    for i, cut in enumerate(cuts):
        if not isinstance(cut, tuple | list) or len(cut) != 2:
            raise Refused(f"a cut is a depth and a label, as in (0.5, 'protect'), got {cut!r}")
        not_negative(**{f"cuts[{i}]": cut[0]})
    depths = [depth for depth, _ in cuts]
    if not cuts or depths[-1] != 1 or depths[0] <= 0 or sorted(set(depths)) != depths:
        raise Refused(f"cuts must ascend from above 0 to exactly 1, got {depths}")
    rules = []
    for i, block in enumerate(blocks):
        middle = (i + 0.5) / len(blocks)
        rules.append((block, next(label for depth, label in cuts if middle <= depth)))
    given, got = dict.fromkeys(label for _, label in cuts), {label for _, label in rules}
    if set(given) != got:
        raise Refused(
            f"the regions {', '.join(label for label in given if label not in got)} would get "
            f"none of the {len(blocks)} blocks {', '.join(block.name for block in blocks)}; "
            f"the cuts are {depths}"
        )
    return RegionMap.from_rules(rules)
