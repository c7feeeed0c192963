"""Rules give each leaf one region, and say what is wrong where they do not."""

import json
import re

import jax
import jax.numpy as jnp
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.regions import Block, RegionMap, check_record, glob, paths

PARAMS = {
    "stem": {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)},
    "head": {"kernel": jnp.ones((3, 4))},
}


def test_the_first_rule_that_matches_decides() -> None:
    regions = RegionMap.from_rules([("stem/bias", "a"), ("stem/.*", "b"), (".*", "c")])
    assert regions.labels(PARAMS) == {
        "stem": {"kernel": "b", "bias": "a"},
        "head": {"kernel": "c"},
    }
    assert regions.names == ("a", "b", "c")


def test_a_pattern_must_match_the_entire_path() -> None:
    regions = RegionMap.from_rules([("stem", "a"), (".*", "b")])
    with pytest.raises(ValueError, match=r"stem -> a decide over no parameter; no parameter is a"):
        regions.labels(PARAMS)


def test_all_kinds_of_rule_agree() -> None:
    kinds = [
        [("stem/.*", "p"), ("head/.*", "g")],
        [(glob("stem/*"), "p"), (glob("h??d/**"), "g")],
        [(Block("stem", "stem/.*"), "p"), (Block("head", "head/.*"), "g")],
        [(lambda path, leaf: path.startswith("stem"), "p"), (".*", "g")],
        [(lambda path, leaf: leaf.shape in {(2, 3), (3,)}, "p"), (".*", "g")],
    ]
    labels = [RegionMap.from_rules(rules).labels(PARAMS) for rules in kinds]
    labels.append(RegionMap.from_labels(labels[0]).labels(PARAMS))
    assert all(tree == labels[0] for tree in labels)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*/kernel", "stem/kernel", True),
        ("*/kernel", "block/stem/kernel", False),
        ("**/kernel", "block/stem/kernel", True),
        ("stage?/**", "stage1/conv/kernel", True),
        ("stage?/**", "stage12/conv/kernel", False),
        ("a.b", "axb", False),
        ("mlp/~/linear_0/*", "mlp/~/linear_0/w", True),
    ],
)
def test_globs(pattern: str, path: str, matches: bool) -> None:
    assert bool(re.fullmatch(glob(pattern), path)) is matches


def test_uncovered_parameters_are_listed() -> None:
    with pytest.raises(ValueError, match=r"stem/bias, stem/kernel; the rules are head/\.\*"):
        RegionMap.from_rules([("head/.*", "general")]).labels(PARAMS)


def test_idle_rules_are_listed_with_the_labels_that_nobody_uses() -> None:
    regions = RegionMap.from_rules([(".*", "general"), ("head/.*", "protect"), ("x", "general")])
    with pytest.raises(ValueError, match=r"head/\.\* -> protect, x -> general .* is protect; the"):
        regions.labels(PARAMS)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([], "at least one"),
        ([("(", "a")], r"'\(' is not a regular expression"),
        ([(3, "a")], "got 3 of type int"),
        ([(("a", "b"), "a")], "of type tuple"),
        ([(".*", 3)], "must be a name such as 'protect', got 3"),
        ([(".*", "")], "must be a name"),
        (".*", r"rules must be a tuple, as in rules=\(\.\.\., \.\.\.\), got '\.\*'"),
        ([("stem/.*",), (".*", "b")], r"a rule is given with its label, .* got \('stem/\.\*',\)"),
        ([".*"], r"a rule is given with its label, .* got '\.\*'"),
    ],
)
def test_bad_rules_are_refused(rules: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RegionMap.from_rules(rules)


def test_a_predicate_sees_shapes_and_not_values() -> None:
    values = RegionMap.from_rules([(lambda path, leaf: leaf.sum() > 1, "a"), (".*", "b")])
    with pytest.raises(ValueError, match="may look at the path, the shape and the dtype"):
        values.labels(PARAMS)


def test_a_predicate_that_fails_is_named_with_its_place() -> None:
    regions = RegionMap.from_rules([(lambda path, leaf: 1 / 0, "a"), (".*", "b")])
    with pytest.raises(ValueError, match=r"failed at head/kernel, .* ZeroDivisionError: division"):
        regions.labels(PARAMS)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, "of kind 'rules', got None"),
        ({"kind": "masks"}, "of kind 'rules', got 'masks'"),
        ({"kind": "rules"}, "needs at least one"),
        ({"kind": "rules", "rules": 3}, "rules must be a tuple"),
        ({"kind": "rules", "rules": [["stem"]]}, r"a rule is given with its label, .* \['stem'\]"),
    ],
)
def test_records_of_something_else_are_refused(record: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RegionMap.from_json(record)


def test_a_traced_mask_is_refused() -> None:
    def traced(flag: jax.Array) -> int:
        rules = [(lambda path, leaf: flag, "a"), (".*", "b")]
        RegionMap.from_rules(rules).labels(PARAMS)
        return 0

    with pytest.raises(ValueError, match=r"must answer True or False at head/kernel, .*WeightMap"):
        jax.jit(traced)(jnp.array(True))
    with pytest.raises(ValueError, match=r"strings as leaves, .* at stem; .*WeightMap"):
        jax.jit(lambda mask: RegionMap.from_labels({"stem": mask}) and 0)(jnp.array(True))


def test_parts_of_a_tree_are_labelled_as_the_entire_tree_was() -> None:
    regions = RegionMap.from_rules([("stem/.*", "a"), ("head/.*", "b")])
    masked = {"stem": {"kernel": 1.0, "bias": optax.MaskedNode()}, "head": optax.MaskedNode()}
    assert regions.labels(masked) == {
        "stem": {"kernel": "a", "bias": optax.MaskedNode()},
        "head": optax.MaskedNode(),
    }
    halves = {"stem": {"kernel": None}, "head": {"kernel": 1.0}}
    assert regions.labels(halves) == {"stem": {"kernel": None}, "head": {"kernel": "b"}}
    with pytest.raises(ValueError, match="no rule covers the parameters more"):
        regions.labels({**masked, "more": 1.0})


def test_a_predicate_is_not_called_with_none() -> None:
    regions = RegionMap.from_rules([(lambda path, leaf: leaf.ndim == 1, "a"), (".*", "b")])
    assert regions.labels({"bias": None, "kernel": jnp.ones((1, 1))})["kernel"] == "b"


def test_maps_are_hashable_and_equal_by_their_rules() -> None:
    rules = [("stem/.*", "a"), (".*", "b")]
    assert RegionMap.from_rules(rules) == RegionMap.from_rules(rules)
    assert len({RegionMap.from_rules(rules), RegionMap.from_rules(rules)}) == 1
    assert RegionMap.from_rules(rules) != RegionMap.from_rules(rules[::-1])


def test_a_map_survives_json() -> None:
    regions = RegionMap.from_rules([(glob("stem/*"), "a"), (".*", "b")])
    record = json.loads(json.dumps(regions.to_json()))
    assert RegionMap.from_json(record) == regions
    check_record(regions, record)
    with pytest.raises(ValueError, match=r"not those of the record\nnow: .*\nrecord: "):
        check_record(RegionMap.from_rules([(".*", "b")]), record)
    with pytest.raises(ValueError, match="kind 'rules', got 'weights'"):
        RegionMap.from_json({"kind": "weights"})


def test_a_predicate_is_written_down_by_what_it_decided() -> None:
    def vector(path: str, leaf: jax.Array) -> bool:
        return leaf.ndim == 1

    regions = RegionMap.from_rules([(vector, "a"), (".*", "b")])
    with pytest.raises(ValueError, match=r"vector -> a cannot be written down; .*resolve"):
        regions.to_json()
    resolved = RegionMap.from_json(regions.resolve(PARAMS).to_json())
    assert resolved.labels(PARAMS) == regions.labels(PARAMS)


def test_describe_counts_shapes_as_it_counts_arrays() -> None:
    regions = RegionMap.from_rules([("stem/.*", "protect"), (".*", "general")])
    shapes = jax.eval_shape(lambda: PARAMS)
    table = regions.describe(shapes)
    assert table == regions.describe(PARAMS)
    assert [line.split() for line in table.splitlines()] == [
        ["region", "parameters", "share", "bytes"],
        ["protect", "9", "42.9", "%", "36"],
        ["general", "12", "57.1", "%", "48"],
        ["total", "21", "100.0", "%", "84"],
    ]


names = st.text("abc", min_size=1, max_size=2)
trees = st.recursive(
    st.just(1.0), lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=6
).filter(lambda tree: isinstance(tree, dict))


@given(trees, st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=3))
def test_labels_equal_a_naive_loop(tree: dict, starts: list[tuple[str, str]]) -> None:
    """Each path takes the label of the first rule whose letter it starts with."""
    rules = [*starts, ("", "z")]
    expected = [next(label for start, label in rules if p.startswith(start)) for p in paths(tree)]
    firsts = [next(i for i, (s, _) in enumerate(rules) if p.startswith(s)) for p in paths(tree)]
    regions = RegionMap.from_rules([(f"{start}.*", label) for start, label in rules])
    if set(firsts) == set(range(len(rules))):
        assert jax.tree.leaves(regions.labels(tree)) == expected
    else:
        with pytest.raises(ValueError, match="decide over no parameter"):
            regions.labels(tree)
