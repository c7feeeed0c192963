"""Region maps from whatever rules, trees, blocks and records a user may give."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from fuzzing import Case, cases, ending

from pptp_jax.regions import (
    Block,
    RegionMap,
    WeightMap,
    by_depth,
    equal_blocks,
    glob,
    paths,
    protect,
    sizes,
)

RULES: tuple[Any, ...] = (
    *(
        ".*",
        "stem/.*",
        "stem/kernel",
        "head/.*",
        "(?i)STEM/.*",
        "[^/]*/bias",
        "é.*",
        "",
        "^$",
        "(?!)",
    ),
    *("(", "[", "*", "a{2", "(?P<x>a)(?P<x>b)", "\\", "(a+)+b", "\0", "(?<=a*)b", "a" * 200),
    *(None, 3, b".*", re.compile("stem/.*"), ["stem"], ("stem",), object, {}, jnp.ones(2)),
    *(Block("stem", "stem/.*"), Block("stem", "("), Block("x", None), Block(None, ".*")),
    *(glob("stem/**"), glob("*"), glob("[")),
)
PREDICATES: dict[str, Callable[..., Any]] = {
    "small": lambda path, leaf: leaf.ndim < 2,
    "always": lambda path, leaf: True,
    "NumPy's yes": lambda path, leaf: np.bool_(True),
    "an array": lambda path, leaf: jnp.array(True),
    "None": lambda path, leaf: None,
    "one": lambda path, leaf: 1,
    "by value": lambda path, leaf: leaf > 0,
    "by sum": lambda path, leaf: bool(leaf.sum()),
    "by place": lambda path, leaf: leaf[0] > 0,
    "by length": lambda path, leaf: len(leaf) > 2,
    "one argument": lambda path: True,
    "a division": lambda path, leaf: 1 / 0,
    "a missing key": lambda path, leaf: {}["x"],
    "a class": int,
}
LABELS: tuple[Any, ...] = (
    *("protect", "general", "protect", "general", "é", "a b", " ", "x" * 99, "a/b"),
    *("", None, 3, b"x", ("a",), ["a"], True),
)
TREES: dict[str, Any] = {
    "small": {
        "stem": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)},
        "head": {"kernel": jnp.ones((3, 2))},
    },
    "shapes": {"stem": {"kernel": jax.ShapeDtypeStruct((4, 3), "float32")}},
    "numbers": {"stem": {"kernel": 1.0}, "head": {"bias": 2}},
    "a list": [jnp.ones(2), {"é": jnp.ones(1)}],
    "a leaf": jnp.ones(3),
    "a hole": {"stem": {"kernel": None, "bias": jnp.ones(3)}},
    "slashes": {"stem/kernel": jnp.ones(2), "stem": {"kernel": jnp.ones(3)}},
    "numbered": {0: jnp.ones(2), 1: jnp.ones(2)},
    "empty": {},
    "nothing": None,
    "words": {"stem": {"kernel": "a"}},
    "scalars": {"stem": {"kernel": jnp.ones(())}},
    "empty arrays": {"stem": {"kernel": jnp.ones((0, 3))}},
}
BLOCKS = [Block("stem", "stem/.*"), Block("stage1", "stage1/.*"), Block("head", "head/.*")]
REGIONS: tuple[Any, ...] = (
    *(
        "stem",
        "head",
        "shallow",
        "deep",
        "not stem",
        "not not stem",
        "auto",
        "not auto",
        "hed",
        "",
        "not ",
    ),
    *(
        ("stem",),
        ["stem", "head"],
        ("stem", "stem"),
        (),
        ("stem", "stage1", "head"),
        ("none",),
        (3,),
        3,
    ),
    *(
        None,
        {"a": ["stem"]},
        {"a": ["stem"], "b": ["stem"]},
        {"a": []},
        {},
        {"": ["stem"]},
        {3: ["stem"]},
    ),
    *(
        {"a": "stem"},
        {"a": None},
        {"a": 3},
        b"stem",
        {"stem"},
        np.array(["stem"]),
        {"general": ["stem"]},
    ),
)
CUTS: tuple[Any, ...] = (
    *(
        [(0.5, "a"), (1.0, "b")],
        [(1, "a")],
        [],
        [(0.5, "a")],
        [(1.0, "a"), (0.5, "b")],
        [(0.1, "a"), (1, "b")],
    ),
    *(
        [(float("nan"), "a"), (1, "b")],
        [("x", "a"), (1, "b")],
        [0.5, 1],
        None,
        "ab",
        [(0.5, None), (1, "b")],
    ),
    *([(0.5, "a"), (1.0, "a")], [(-1, "a"), (1, "b")], [(0.5,), (1.0,)], [(True, "a")]),
)
RECORDS: tuple[Any, ...] = (
    *(
        {"kind": "rules", "rules": [[".*", "a"]]},
        {"kind": "rules"},
        {},
        {"kind": "rules", "rules": []},
    ),
    *(
        {"kind": "masks"},
        {"kind": "rules", "rules": [["a"]]},
        {"kind": "rules", "rules": None},
        None,
        [],
        "x",
    ),
    *(
        {"kind": "rules", "rules": [["(", "a"]]},
        {"kind": "rules", "rules": [[".*", 3]]},
        {"kind": "rules", "rules": 3},
    ),
)
MASKS: tuple[Any, ...] = (
    *(
        {"a": jnp.array([True, False])},
        {"a": jnp.ones(2)},
        {},
        {"a": np.array([True])},
        {"a": True},
        None,
        3,
    ),
    *(
        {"a": jnp.array([True]), "b": jnp.array([True])},
        {"general": jnp.array([True])},
        {"a": None},
        {"a": "x"},
    ),
    *(
        {"a": jnp.array([True]), "b": jnp.array([False, True])},
        {"a": {}},
        [jnp.array([True])],
        {3: jnp.array([True])},
    ),
)


@cases("regions")
def test_regions_are_found_or_refused(case: Case) -> None:
    ways = (_rules, _rules, _rules, _predicate, _labels, _protect, _depths, _record, _weights)
    with ending(case):
        case.named({way.__name__: way for way in ways})(case)


def _rules(case: Case) -> None:
    rules: Any = [(case.one(RULES), case.one(LABELS)) for _ in range(case.rng.integers(1, 4))]
    if case.chance(0.6):
        rules = [(case.one(RULES[:5]), case.one(LABELS[:4])), *rules[1:], (".*", "general")]
    if case.chance(0.1):
        rules = case.one(
            ([], None, 3, "ab", [()], [("stem",)], [".*"], {".*": "a"}, [(".*", "a", "b")])
        )
    _check(RegionMap.from_rules(rules), case.named(TREES))


def _predicate(case: Case) -> None:
    rules = [(case.named(PREDICATES), "protect"), (".*", "general")]
    _check(RegionMap.from_rules(rules), case.named(TREES))


def _check(regions: RegionMap, tree: Any) -> None:
    labels = regions.labels(tree)
    assert jax.tree.structure(labels) == jax.tree.structure(tree)
    for path, label in zip(paths(tree), jax.tree.leaves(labels), strict=True):
        patterns = [(rule, own) for rule, own in regions.rules if isinstance(rule, str)]
        if len(patterns) == len(regions.rules):
            assert label == next(own for rule, own in patterns if re.fullmatch(rule, path))
    if not jax.tree.leaves(labels):
        return
    assert regions.resolve(tree).labels(tree) == labels
    masks = [jax.tree.leaves(regions.mask(tree, name)) for name in regions.names]
    assert all(sum(leaf) == 1 for leaf in zip(*masks, strict=True))
    assert sum(size.parameters for size in sizes(regions, tree).values()) >= 0
    assert regions.describe(tree)
    assert RegionMap.from_json(regions.to_json()) == regions


def _labels(case: Case) -> None:
    tree = {name: case.one(LABELS) for name in ("stem", "é", "a.b")[: case.rng.integers(4)]}
    RegionMap.from_labels(case.one((tree, tree, tree, None, [], "protect", {"x": jnp.ones(2)})))


def _protect(case: Case) -> None:
    region, blocks = case.one(REGIONS), BLOCKS[: case.rng.integers(4)]
    found = protect(region, blocks)
    assert len(found.rules) == len(blocks) and len(found.names) > 1
    params = {block.name: {"w": jnp.ones(2)} for block in blocks}
    assert set(sizes(found, params)) == set(found.names)
    if found.names == ("protect", "general") and case.chance(0.5):
        assert set(equal_blocks(region, blocks, params)) < {block.name for block in blocks}


def _depths(case: Case) -> None:
    by_depth(case.one(CUTS), BLOCKS[: case.rng.integers(4)])


def _record(case: Case) -> None:
    record = case.one(RECORDS)
    assert RegionMap.from_json(record).to_json() == record


def _weights(case: Case) -> None:
    masks = case.one(MASKS)
    weights = WeightMap.from_masks(
        {name: {"w": mask} for name, mask in masks.items()} if isinstance(masks, dict) else masks
    )
    weights.mask({"w": jnp.ones(2)}, *weights.names)
