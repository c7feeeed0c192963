"""Membership by owner: all records in or none, models of one size, sizes independent of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.data import Balanced, Pairs, Quarters, draw_by_owner
from pptp_jax.validation import Refused

SPLITS = (Balanced(4), Pairs(2, 4), Quarters(2, 3))


@given(st.sampled_from(SPLITS), st.integers(0, 1000), st.sampled_from([None, 1, 2]))
def test_owners_are_in_or_out_with_all_that_take_part(split, seed, most) -> None:
    owners = np.random.default_rng(seed).integers(0, 40, 90)
    drawn = draw_by_owner(split, owners, most=most, seed=seed)
    counts = drawn.matrix.sum(axis=1)
    assert len(set(counts.tolist())) == 1 and counts[0] > 0
    sizes = []
    for owner in np.unique(owners):
        own = np.flatnonzero(owners == owner)
        taking_part = own[np.isin(own, drawn.evaluated)]
        used = own[drawn.matrix[:, own].any(axis=0)]
        assert len(taking_part) in (0, min(len(own), most or len(own)))
        for part in (taking_part, used):
            inside = drawn.matrix[:, part]
            assert (inside.all(axis=1) | ~inside.any(axis=1)).all()
        if len(taking_part):
            sizes.append(len(taking_part))
        if most is None and not isinstance(split, Quarters):
            assert len(used) in (0, len(own))
    # Of every size there are as many owners as the split divides.
    evaluated = split.multiple // 2 if isinstance(split, Quarters) else split.multiple
    assert all(sizes.count(size) % evaluated == 0 for size in set(sizes))
    plain = split.draw(split.multiple, 0)
    assert (drawn.targets, drawn.shadows) == (plain.targets, plain.shadows)


def test_a_split_by_owner_is_balanced_as_that_of_records() -> None:
    owners = np.repeat(np.arange(30), np.where(np.arange(30) < 20, 2, 3))
    drawn = draw_by_owner(Balanced(6), owners, seed=3)
    np.testing.assert_array_equal(drawn.evaluated, np.arange(70))
    assert (drawn.matrix.sum(axis=0) == 3).all()
    assert (drawn.matrix.sum(axis=1) == 35).all()
    np.testing.assert_array_equal(drawn.matrix, draw_by_owner(Balanced(6), owners, seed=3).matrix)
    assert (drawn.matrix != draw_by_owner(Balanced(6), owners, seed=4).matrix).any()
    # Their names, and the order of the records, are nothing to it but an order.
    assert draw_by_owner(Balanced(6), np.char.mod("p%03d", owners), seed=3).matrix.tolist() == (
        drawn.matrix.tolist()
    )
    # Among members and non-members of every model, owners are as large.
    sizes = np.bincount(owners)
    inside = drawn.matrix[:, np.searchsorted(owners, np.arange(30))]
    assert all(sizes[row].sum() == sizes[~row].sum() == 35 for row in inside)


def test_owners_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(Refused, match=r"at least 4 owners with the same .* none of the 3 owners"):
        draw_by_owner(Quarters(1, 2), np.array([0, 0, 1, 1, 2, 2]))
    with pytest.raises(Refused, match=r"owners must have shape \(examples,\), .* got \(2, 2\)"):
        draw_by_owner(Balanced(2), np.zeros((2, 2), int))
    with pytest.raises(Refused, match="most must be an integer of at least 1, got 0"):
        draw_by_owner(Balanced(2), np.array([0, 1]), most=0)
