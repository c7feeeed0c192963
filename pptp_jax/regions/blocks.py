"""Region maps from the blocks and parts of a network."""

from collections.abc import Mapping, Sequence
from itertools import chain

from pptp_jax.regions.region_map import RegionMap
from pptp_jax.regions.rules import Block
from pptp_jax.regions.words import named
from pptp_jax.validation import Refused, not_negative, several

PROTECT = "protect"
GENERAL = "general"

Region = str | Sequence[str] | Mapping[str, Sequence[str]] | RegionMap


def protect(region: Region, blocks: Sequence[Block], parts: Sequence[Block] = ()) -> RegionMap:
    """The region map that protects some of a network and leaves the rest `general`.

    Args:
        region: a word: a preset (`stem`: the first block; `shallow`: the first half of the blocks,
            the middle one included; `deep`: the others; `head`: the last), a span of blocks,
            counted from 0 (`blocks[1:3]`), the name of a block or of a part (`mlp`); a word after
            `not`, for all that it does not mean (`not stem`); a sequence of words, for all that
            any of them means; several regions, as words by label, of which the first has what
            parts and blocks share; or a finished region map, which is returned as it is.
        blocks: the network's blocks in forward order.
        parts: what else has a name in the network, such as the sublayers of all blocks.

    Returns:
        A region map with the labels `protect`, or those given, and `general`.

    Raises:
        ValueError: if a word means nothing, a block or part is in two regions, there are neither
            blocks nor parts, or there would be one region alone.

    Examples:
        >>> blocks = [Block("stem", "stem/.*"), Block("stage1", "s/.*"), Block("head", "head/.*")]
        >>> protect("stem", blocks).rules
        (('stem/.*', 'protect'), ('s/.*', 'general'), ('head/.*', 'general'))
        >>> protect("not stem", blocks).rules
        (('stem/.*', 'general'), ('s/.*', 'protect'), ('head/.*', 'protect'))
        >>> protect({"first": ["stem"], "then": ["stage1"]}, blocks).rules
        (('stem/.*', 'first'), ('s/.*', 'then'), ('head/.*', 'general'))
        >>> protect(("mlp", "blocks[:1]"), blocks, parts=[Block("mlp", ".*/mlp/.*")]).rules
        (('(?:.*/mlp/.*)|(?:stem/.*)', 'protect'), ('.*', 'general'))
    """
    if isinstance(region, RegionMap):
        return region
    if not blocks and not parts:
        raise Refused(
            f"region {region!r} names blocks, but the model has none: "
            "give Model(..., blocks=...) in forward order, or a RegionMap"
        )
    if asks_for_auto(region):
        raise Refused(
            f"region {region!r} is found by measuring, as `pptp run` does it; elsewhere give the "
            "blocks of pptp_jax.locate.choose(risk_map, budget)"
        )
    if isinstance(region, str) and region.startswith("not "):
        other = protect(region.removeprefix("not "), blocks, parts)
        swapped = {PROTECT: GENERAL, GENERAL: PROTECT}
        return RegionMap(tuple((rule, swapped[label]) for rule, label in other.rules))
    words = region if isinstance(region, Mapping) else {PROTECT: _several(region)}
    labels = _labels(words, blocks, parts)
    patterns = [block.pattern for block in blocks]
    alone = set(labels) == set(patterns) and len(words) < 2
    if not labels or alone or not all(words.values()):
        raise Refused(
            f"region {region!r} would protect {len(labels)} of the {len(blocks)} blocks "
            f"{', '.join(block.name for block in blocks)}; "
            "a region map needs a block on either side"
        )
    if set(labels) <= set(patterns):
        return RegionMap.from_rules([(own, labels.get(own, GENERAL)) for own in patterns])
    # One rule a label: of several, one whose parameters the others have would be idle.
    by_label: dict[str, list[str]] = {}
    for pattern, label in labels.items():
        by_label.setdefault(label, []).append(f"(?:{pattern})")
    rules = [("|".join(own), label) for label, own in by_label.items()]
    return RegionMap.from_rules([*rules, (".*", GENERAL)])


def _several(region: str | Sequence[str]) -> Sequence[str]:
    if isinstance(region, str):
        return (region,)
    several(region=region)
    return region


def _labels(
    words: Mapping[str, Sequence[str]], blocks: Sequence[Block], parts: Sequence[Block]
) -> dict[str, str]:
    """The label of each pattern that is meant."""
    labels: dict[str, str] = {}
    for label, own in words.items():
        several(**{f"region {label!r}": own})
        for block in chain.from_iterable(named(word, blocks, parts) for word in own):
            if labels.setdefault(block.pattern, label) != label:
                first = labels[block.pattern]
                raise Refused(f"block {block.name!r} would be in the regions {first} and {label}")
    return labels


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
        >>> region_name({"stem": ["stem"], "head": ["head"]})  # each by its own name
        'stem+head'
    """
    if region is None:
        return "-"
    if isinstance(region, RegionMap):
        return "custom"
    if isinstance(region, Mapping):
        return "+".join(
            label if [*names] == [label] else f"{'+'.join(names)}@{label}"
            for label, names in region.items()
        )
    return region if isinstance(region, str) else "+".join(region)


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
