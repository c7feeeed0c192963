"""The map from parameters to regions."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import optax
from jaxtyping import PyTree

from pptp_jax.regions.paths import is_absent, positions
from pptp_jax.regions.rules import Block, Matcher, matcher, matches, text
from pptp_jax.regions.sizes import table
from pptp_jax.validation import Refused, one_of, several


@dataclass(frozen=True)
class RegionMap:
    """Ordered rules that give every parameter of a tree its region.

    Labels depend on the structure of a tree alone, so they are static under `jax.jit`. A map is
    hashable and equal to another with the same rules.

    Attributes:
        rules: pairs of a rule and a label; the first rule that matches a path decides.

    Examples:
        >>> regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
        >>> regions.labels({"stem": {"kernel": 0.0}, "head": {"kernel": 0.0}})
        {'head': {'kernel': 'general'}, 'stem': {'kernel': 'protect'}}
    """

    rules: tuple[tuple[Matcher, str], ...]

    @classmethod
    def from_rules(cls, rules: Sequence[tuple[Matcher | Block, str]]) -> "RegionMap":
        r"""Builds a map from (rule, label) pairs.

        Args:
            rules: a rule is a regular expression that must match the entire path (`glob` makes
                one of a glob), a `Block`, or a predicate on (path, leaf), which is given the
                leaf's shape and dtype alone.

        Raises:
            ValueError: if there are no rules, a rule is none of these, a pattern is no regular
                expression, or a label is no name.

        Examples:
            >>> import jax.numpy as jnp
            >>> rules = [(lambda path, leaf: leaf.ndim < 2, "protect"), (".*/w", "general")]
            >>> params = {"head": {"w": jnp.ones((2, 3)), "b": jnp.ones(3)}}
            >>> RegionMap.from_rules(rules).labels(params)
            {'head': {'b': 'protect', 'w': 'general'}}
        """
        several(rules=rules)
        if not rules:
            raise Refused("a region map needs at least one (pattern, label) rule, got none")
        for pair in rules:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise Refused(
                    f"a rule is given with its label, as in ('stem/.*', 'protect'), got {pair!r}"
                )
        for rule, label in rules:
            if not isinstance(label, str) or not label:
                raise Refused(
                    f"the label of the rule {rule!r} must be a name such as 'protect', "
                    f"got {label!r}"
                )
        return cls(tuple((matcher(rule), label) for rule, label in rules))

    @classmethod
    def from_labels(cls, labels: PyTree) -> "RegionMap":
        """Builds a map from an explicit tree of labels, one rule a leaf.

        Args:
            labels: a tree of the parameters' structure with strings as leaves.

        Raises:
            ValueError: if a leaf is no string, or there are none.

        Examples:
            >>> RegionMap.from_labels({"stem": "protect", "head": "general"}).rules
            (('head', 'general'), ('stem', 'protect'))
        """
        named = [(path, leaf) for path, leaf in positions(labels) if not is_absent(leaf)]
        for path, leaf in named:
            if not isinstance(leaf, str):
                raise Refused(
                    f"a tree of labels has strings as leaves, got {leaf!r} at {path}; "
                    "for boolean masks, traced or not, take a WeightMap"
                )
        return cls.from_rules([(re.escape(path), leaf) for path, leaf in named])

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, in the order of the rules, each once."""
        return tuple(dict.fromkeys(label for _, label in self.rules))

    def labels(self, params: PyTree) -> PyTree:
        """The tree of `params` with every leaf replaced by its label.

        A tree from which an outer `optax.masked` or `optax.partition` has taken leaves away is
        labelled as the entire tree was: rules may be idle there.

        Args:
            params: any pytree: arrays, shapes, or anything else as leaves.

        Returns:
            A tree of the same structure with strings as leaves.

        Raises:
            ValueError: if a leaf is matched by no rule, or a rule decides over no leaf.
        """
        places = positions(params)
        present = [(path, leaf) for path, leaf in places if not is_absent(leaf)]
        deciders = [self._decider(path, leaf) for path, leaf in present]
        uncovered = [path for (path, _), i in zip(present, deciders, strict=True) if i is None]
        if uncovered:
            raise Refused(
                f"no rule covers the parameters {', '.join(uncovered)}; "
                f"the rules are {', '.join(text(rule) for rule, _ in self.rules)}"
            )
        # A MaskedNode may stand for an entire subtree, whose paths are no longer to be seen.
        masked = any(isinstance(leaf, optax.MaskedNode) for _, leaf in places)
        if places and not masked:
            self._refuse_idle(places, deciders)
        decided = [self.rules[i][1] for i in deciders if i is not None]
        return jax.tree.unflatten(jax.tree.structure(params), decided)

    def mask(self, tree: PyTree, *labels: str) -> PyTree:
        """The tree of `tree` with True for the leaves of some regions, False for the others.

        Args:
            tree: the parameters, or a tree of their structure.
            *labels: the regions.

        Raises:
            ValueError: if a label is unknown or the tree does not fit; see `labels`.

        Examples:
            >>> regions = RegionMap.from_labels({"stem": "protect", "head": "general"})
            >>> regions.mask({"stem": 0.0, "head": 0.0}, "protect")
            {'head': False, 'stem': True}
        """
        for label in labels:
            one_of(self.names, region=label)
        return jax.tree.map(lambda own: own in labels, self.labels(tree))

    def mask_fn(self, *labels: str) -> Callable[[PyTree], PyTree]:
        """The mask of some regions as the function that optax's own transforms take.

        It fits `optax.masked(tx, mask)` and `optax.freeze(mask)`; `labels` fits `optax.partition`.

        Args:
            *labels: the regions.

        Raises:
            ValueError: if a label is unknown.

        Examples:
            >>> import jax.numpy as jnp
            >>> regions = RegionMap.from_labels({"stem": "protect", "head": "general"})
            >>> tx = optax.masked(optax.scale(10.0), regions.mask_fn("protect"))
            >>> grads = {"stem": jnp.ones(()), "head": jnp.ones(())}
            >>> updates, _ = tx.update(grads, tx.init(grads))
            >>> print(updates["stem"], updates["head"])
            10.0 1.0
        """
        for label in labels:
            one_of(self.names, region=label)
        return lambda tree: self.mask(tree, *labels)

    def describe(self, params: PyTree) -> str:
        """A table of the regions: parameters, share of all parameters, bytes.

        Args:
            params: the parameters, or their shapes (`jax.eval_shape`).

        Examples:
            >>> import jax.numpy as jnp
            >>> regions = RegionMap.from_rules([("w", "protect"), ("b", "general")])
            >>> print(regions.describe({"w": jnp.ones((100, 30)), "b": jnp.ones(30)}))
            region   parameters    share   bytes
            protect       3,000   99.0 %  12,000
            general          30    1.0 %     120
            total         3,030  100.0 %  12,120
        """
        return table(self, params)

    def resolve(self, params: PyTree) -> "RegionMap":
        """The same regions by one explicit rule a parameter: predicates become patterns.

        Args:
            params: the tree that the map is for.
        """
        return type(self).from_labels(self.labels(params))

    def to_json(self) -> dict[str, Any]:
        """The map as plain data, to be stored with checkpoints and results.

        Raises:
            ValueError: if a rule is a predicate, which has no written form.

        Examples:
            >>> RegionMap.from_rules([(".*", "general")]).to_json()
            {'kind': 'rules', 'rules': [['.*', 'general']]}
        """
        for rule, label in self.rules:
            if not isinstance(rule, str):
                raise Refused(
                    f"the predicate {text(rule)} -> {label} cannot be written down; "
                    "write region_map.resolve(params) instead, which has a pattern a parameter"
                )
        return {"kind": "rules", "rules": [[rule, label] for rule, label in self.rules]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "RegionMap":
        """The map that `to_json` wrote down.

        Raises:
            ValueError: if the record is of another kind.

        Examples:
            >>> regions = RegionMap.from_rules([(".*", "general")])
            >>> RegionMap.from_json(regions.to_json()) == regions
            True
        """
        if not isinstance(record, Mapping) or record.get("kind") != "rules":
            found = record.get("kind") if isinstance(record, Mapping) else record
            raise Refused(f"a region map is read from a record of kind 'rules', got {found!r}")
        return cls.from_rules(record.get("rules", ()))

    def _decider(self, path: str, leaf: Any) -> int | None:
        found = (i for i, (rule, _) in enumerate(self.rules) if matches(rule, path, leaf))
        return next(found, None)

    def _refuse_idle(self, places: list[tuple[str, Any]], deciders: list[int | None]) -> None:
        # A None may stand for a parameter of the other half of an Equinox partition; a predicate
        # cannot be applied to it.
        absent = [path for path, leaf in places if is_absent(leaf)]
        used = set(deciders)
        for i, (rule, _) in enumerate(self.rules):
            if absent and (callable(rule) or any(matches(rule, path, None) for path in absent)):
                used.add(i)
        idle = [rule for i, rule in enumerate(self.rules) if i not in used]
        if not idle:
            return
        unused = set(self.names) - {label for i, (_, label) in enumerate(self.rules) if i in used}
        nobody = f"; no parameter is {', '.join(sorted(unused))}" if unused else ""
        raise Refused(
            f"the rules {', '.join(f'{text(rule)} -> {label}' for rule, label in idle)} decide "
            f"over no parameter{nobody}; the parameters are {', '.join(path for path, _ in places)}"
        )
