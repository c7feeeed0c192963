"""Regions: named sets of parameters, given by ordered rules on parameter paths.

A path is the names on the way to a leaf, joined by `/` (`stem/kernel`). A rule is a pair of a
regular expression, which must match the whole path, and a label; the first rule that matches
decides. Labels depend on the structure of a tree alone, so they are static under `jax.jit`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from pptp_jax.validation import one_of

PROTECT = "protect"
GENERAL = "general"

PRESETS = ("stem", "shallow", "deep", "head")


class Block(NamedTuple):
    """An architectural unit: its name, and the pattern that its parameters' paths match."""

    name: str
    pattern: str


def paths(tree: Any) -> list[str]:
    """The paths of a tree's leaves, in the order of `jax.tree.leaves`.

    Examples:
        >>> paths({"head": {"kernel": 1.0, "bias": 0.0}})
        ['head/bias', 'head/kernel']
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]


@dataclass(frozen=True)
class RegionMap:
    """Ordered rules that give every parameter of a tree its region.

    Attributes:
        rules: pairs of a pattern and a label; the first pattern that matches a path decides.

    Examples:
        >>> regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
        >>> regions.labels({"stem": {"kernel": 0.0}, "head": {"kernel": 0.0}})
        {'head': {'kernel': 'general'}, 'stem': {'kernel': 'protect'}}
    """

    rules: tuple[tuple[str, str], ...]

    @classmethod
    def from_rules(cls, rules: Sequence[tuple[str, str]]) -> "RegionMap":
        """Builds a map from (pattern, label) pairs.

        Raises:
            ValueError: if there are no rules or a pattern is no regular expression.
        """
        if not rules:
            raise ValueError("a region map needs at least one (pattern, label) rule, got none")
        for pattern, _ in rules:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(
                    f"the rule {pattern!r} is not a regular expression: {error}"
                ) from error
        return cls(tuple((str(pattern), str(label)) for pattern, label in rules))

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, in the order of the rules, each once."""
        return tuple(dict.fromkeys(label for _, label in self.rules))

    def labels(self, params: Any) -> Any:
        """The tree of `params` with every leaf replaced by its label.

        Args:
            params: any pytree: arrays, shapes, or anything else as leaves.

        Returns:
            A tree of the same structure with strings as leaves.

        Raises:
            ValueError: if a leaf is matched by no rule, or a rule decides over no leaf.
        """
        names = paths(params)
        rules = [
            next((i for i, (p, _) in enumerate(self.rules) if re.fullmatch(p, name)), None)
            for name in names
        ]
        uncovered = [name for name, rule in zip(names, rules, strict=True) if rule is None]
        if uncovered:
            raise ValueError(
                f"no rule covers the parameters {', '.join(uncovered)}; "
                f"the rules are {', '.join(p for p, _ in self.rules)}"
            )
        idle = [p for i, (p, _) in enumerate(self.rules) if i not in rules]
        if idle:
            raise ValueError(
                f"the rules {', '.join(idle)} decide over no parameter; "
                f"the parameters are {', '.join(names)}"
            )
        decided = [self.rules[rule][1] for rule in rules if rule is not None]
        return jax.tree.unflatten(jax.tree.structure(params), decided)


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
        [(block.pattern, PROTECT if block.name in chosen else GENERAL) for block in blocks]
    )
