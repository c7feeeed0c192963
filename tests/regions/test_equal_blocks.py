"""The control of equal size: never the region itself, and no other set of blocks is nearer."""

from itertools import combinations

import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.regions import Block, RegionMap, equal_blocks, protect, sizes


def network(widths: list[int]):
    params = {f"b{i}": {"w": jnp.zeros(width)} for i, width in enumerate(widths)}
    return params, [Block(name, f"{name}/.*") for name in params]


@given(
    st.lists(st.integers(1, 6), min_size=3, max_size=6), st.integers(0, 9), st.integers(0, 2**31)
)
def test_no_other_set_is_nearer(widths: list[int], own: int, seed: int) -> None:
    params, blocks = network(widths)
    region = (f"b{own % len(widths)}",)
    chosen = equal_blocks(region, blocks, params, seed)

    def gap(names: tuple[str, ...]) -> int:
        return abs(sum(widths[int(n[1:])] for n in names) - widths[own % len(widths)])

    assert chosen != region and 0 < len(chosen) < len(widths)
    assert list(chosen) == sorted(chosen)
    order = list(params)
    others = {s for k in range(1, len(order)) for s in combinations(order, k)} - {region}
    assert gap(chosen) == min(map(gap, others))
    found = sizes(protect(chosen, blocks), params)["protect"].parameters
    assert abs(found - widths[own % len(widths)]) == gap(chosen)


def test_the_seed_draws_among_the_nearest_alone() -> None:
    params, blocks = network([4, 4, 9, 4, 4])
    drawn = {equal_blocks("stem", blocks, params, seed) for seed in range(40)}
    assert drawn == {("b1",), ("b3",), ("b4",)}
    assert equal_blocks("stem", blocks, params, 3) == equal_blocks("stem", blocks, params, 3)


def test_a_map_of_entire_blocks_is_as_good_as_their_names() -> None:
    params, blocks = network([5, 2, 3, 4])
    regions = RegionMap.from_rules([("b0/w", "protect"), (".*", "general")])
    assert (
        equal_blocks(regions, blocks, params) == equal_blocks("b0", blocks, params) == ("b1", "b2")
    )


def test_bad_input() -> None:
    params, blocks = network([1, 2])
    with pytest.raises(ValueError, match="the region to match 'protect' is unknown"):
        equal_blocks({"early": ["b0"]}, blocks, params)
    with pytest.raises(ValueError, match="at most 20, got 21"):
        equal_blocks("b0", [Block(f"b{i}", f"b{i}/.*") for i in range(21)], params)
    divided = {"b0": {"w": jnp.zeros(2), "b": jnp.zeros(1)}, "b1": {"w": jnp.zeros(2)}}
    halves = RegionMap.from_rules([("b0/w", "protect"), (".*", "general")])
    with pytest.raises(ValueError, match="divides the block b0"):
        equal_blocks(halves, blocks, divided)
