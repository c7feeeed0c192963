"""Blocks and parts make region maps, by name, preset, span and depth."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from pptp_jax.models import mlp
from pptp_jax.regions import Block, Region, RegionMap, by_depth, paths, protect, region_name

BLOCKS = [Block(name, f"{name}/.*") for name in ("stem", "stage1", "stage2", "stage3", "head")]


def protected(regions: RegionMap) -> list[str]:
    return [str(pattern)[:-3] for pattern, label in regions.rules if label == "protect"]


@pytest.mark.parametrize(
    ("region", "blocks"),
    [
        ("stem", ["stem"]),
        ("shallow", ["stem", "stage1", "stage2"]),
        ("deep", ["stage3", "head"]),
        ("head", ["head"]),
        ("stage1", ["stage1"]),
        (("stem", "head"), ["stem", "head"]),
        ("not shallow", ["stage3", "head"]),
        ("not stage2", ["stem", "stage1", "stage3", "head"]),
        ("blocks[0:2]", ["stem", "stage1"]),
        ("blocks[3:]", ["stage3", "head"]),
        ("not blocks[:4]", ["head"]),
        (("blocks[1:2]", "head", "deep"), ["stage1", "stage3", "head"]),
    ],
)
def test_presets_and_names(region: str | tuple[str, ...], blocks: list[str]) -> None:
    assert protected(protect(region, BLOCKS)) == blocks


def test_several_regions_by_label() -> None:
    regions = protect({"early": ["stem"], "late": ["stage2", "stage1"]}, BLOCKS)
    assert [label for _, label in regions.rules] == ["early", "late", "late", "general", "general"]
    assert region_name({"early": ["stem"], "late": ["stage2", "stage1"]}) == (
        "stem@early+stage2+stage1@late"
    )


def test_several_regions_may_cover_all_blocks() -> None:
    regions = protect({block.name: [block.name] for block in BLOCKS}, BLOCKS)
    assert [label for _, label in regions.rules] == [block.name for block in BLOCKS]
    assert region_name({"stem": ["stem"], "late": ["head"]}) == "stem+head@late"


def test_a_finished_map_passes() -> None:
    regions = RegionMap.from_rules([(".*", "protect")])
    assert protect(regions, []) is regions


@pytest.mark.parametrize(
    ("region", "blocks", "message"),
    [
        ("shalow", BLOCKS, "did you mean 'shallow'"),
        (("stem", "stage9"), BLOCKS, "'stage9' is unknown"),
        ("stem", [], "the model has none"),
        ("stem", BLOCKS[:1], "1 of the 1 blocks"),
        ((), BLOCKS, "0 of the 5 blocks"),
        ("not stam", BLOCKS, "region 'stam' is unknown; did you mean 'stem'"),
        ("auto", BLOCKS, "'auto' is found by measuring"),
        ({"a": ["stem"], "b": ["head", "stem"]}, BLOCKS, "'stem' would be in the regions a and b"),
        ({"a": ["stem"], "b": []}, BLOCKS, "a region map needs a block on either side"),
        ({"a": [block.name for block in BLOCKS]}, BLOCKS, "5 of the 5 blocks"),
        ({"a": "stem"}, BLOCKS, "region 'a' must be a tuple, .* got 'stem'"),
        ("blocks[5:9]", BLOCKS, r"'blocks\[5:9\]' is none of the model's 5 blocks"),
        ("blocks[:]", BLOCKS, "5 of the 5 blocks"),
        ("blocks[-1:]", BLOCKS, r"is unknown; did you mean 'blocks\[0:2\]'"),
        ("mlp", BLOCKS, "region 'mlp' is unknown"),
        (None, BLOCKS, "region must be a tuple, .* got None"),
    ],
)
def test_bad_regions_are_refused(region: str, blocks: list[Block], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        protect(region, blocks)


# What a transformer calls its weights: the norms belong to no part.
LEAVES = ("tokens", "b1/attention", "b1/mlp", "b1/norm", "b2/attention", "b2/mlp", "b2/norm", "out")
SUBLAYERS = [Block("embed", "tokens"), *(Block(f"stage{i}", f"b{i}/.*") for i in (1, 2))]
PARTS_OF_ALL = [Block("attention", ".*/attention"), Block("mlp", ".*/mlp"), Block("head", "out")]


def owners(region: Region) -> dict[str, str]:
    """Each leaf's label, in the order of LEAVES."""
    params: dict[str, Any] = {}
    for leaf in LEAVES:
        *above, name = leaf.split("/")
        (params.setdefault(above[0], {}) if above else params)[name] = 0.0
    labels = protect(region, [*SUBLAYERS, Block("last", "out")], PARTS_OF_ALL).labels(params)
    return dict(zip(paths(labels), jax.tree.leaves(labels), strict=True))


@pytest.mark.parametrize(
    ("region", "means"),
    [
        ("mlp", lambda leaf: leaf.endswith("mlp")),
        ("not mlp", lambda leaf: not leaf.endswith("mlp")),
        (("attention", "mlp"), lambda leaf: leaf.endswith(("attention", "mlp"))),
        (("mlp", "blocks[0:2]"), lambda leaf: leaf.endswith("mlp") or leaf[:2] in ("to", "b1")),
        (("last", "mlp", "head"), lambda leaf: leaf == "out" or leaf.endswith("mlp")),
    ],
)
def test_parts_are_named_beside_blocks(region: Region, means: Callable[[str], bool]) -> None:
    assert owners(region) == {leaf: "protect" if means(leaf) else "general" for leaf in LEAVES}


def test_of_parts_and_blocks_that_overlap_the_first_region_has_the_common_parameters() -> None:
    found = owners({"first": ["mlp"], "then": ["stage2", "attention"]})
    assert [found[leaf] for leaf in ("b1/mlp", "b2/mlp", "b2/norm", "b1/attention", "out")] == [
        "first", "first", "then", "then", "general",
    ]  # fmt: skip


def test_a_part_takes_the_place_of_a_preset_of_its_name() -> None:
    blocks = [Block("stem", "stem"), Block("last", "last/.*")]
    tied = protect("head", blocks, [Block("head", "last/kernel")])
    assert tied.rules == (("(?:last/kernel)", "protect"), (".*", "general"))


def test_a_part_that_is_a_block_makes_the_map_of_the_block() -> None:
    alias = Block("embed", BLOCKS[0].pattern)
    assert protect("embed", BLOCKS, [alias]) == protect("stem", BLOCKS)


@pytest.mark.parametrize(
    ("region", "parts", "message"),
    [
        ("mpl", [Block("mlp", "x")], "'mpl' is unknown; did you mean 'mlp'"),
        ("stem", [Block("mlp", "x")], "'stem' is none of the model's 0 blocks"),
        (
            {"a": ["mlp"], "b": ["mlp"]},
            [Block("mlp", "x")],
            "'mlp' would be in the regions a and b",
        ),
    ],
)
def test_parts_alone(region: Region, parts: list[Block], message: str) -> None:
    assert protect("mlp", [], parts).rules == (("(?:x)", "protect"), (".*", "general"))
    with pytest.raises(ValueError, match=message):
        protect(region, [], parts)


@pytest.mark.parametrize("count", range(2, 12))
def test_half_the_depth_is_the_preset_shallow(count: int) -> None:
    blocks = [Block(f"b{i}", f"b{i}/.*") for i in range(count)]
    assert by_depth([(0.5, "protect"), (1.0, "general")], blocks) == protect("shallow", blocks)


def test_depths_may_cut_more_than_once() -> None:
    regions = by_depth([(0.2, "a"), (0.8, "b"), (1, "a")], BLOCKS)
    assert [label for _, label in regions.rules] == ["a", "b", "b", "b", "a"]


@pytest.mark.parametrize("depths", [[], [0.5], [0.5, 0.4, 1.0], [0.0, 1.0], [0.5, 0.5, 1.0]])
def test_cuts_must_ascend_to_the_end(depths: list[float]) -> None:
    with pytest.raises(ValueError, match="ascend from above 0 to exactly 1"):
        by_depth([(depth, f"r{depth}") for depth in depths], BLOCKS)


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        (None, "cuts must be a tuple"),
        ([0.5, 1.0], "a cut is a depth and a label, .* got 0.5"),
    ],
)
def test_cuts_that_are_none(cuts: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        by_depth(cuts, BLOCKS)


def test_a_region_without_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match=r"regions a would get none of the 5 blocks stem, .*0\.01"):
        by_depth([(0.01, "a"), (1.0, "b")], BLOCKS)


def test_the_blocks_of_our_models_cover_them() -> None:
    model = mlp([4, 3], num_classes=2)
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.ones((1, 2)))).params
    regions = RegionMap.from_rules([(block, block.name) for block in model.blocks])
    assert regions.labels(params)["stage1"] == {"bias": "stage1", "kernel": "stage1"}
