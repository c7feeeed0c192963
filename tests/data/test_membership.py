"""The membership matrices: both sums, uniformity, and the four quarters."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.data import Balanced, Pairs, Quarters, member_indices


@given(st.integers(1, 6), st.integers(1, 30), st.integers(0, 1000))
def test_balanced_rows_and_columns(half_models: int, half_examples: int, seed: int) -> None:
    models, examples = 2 * half_models, 2 * half_examples
    drawn = Balanced(models).draw(examples, seed)
    assert (drawn.matrix.sum(axis=0) == half_models).all()
    assert (drawn.matrix.sum(axis=1) == half_examples).all()
    np.testing.assert_array_equal(drawn.matrix, Balanced(models).draw(examples, seed).matrix)


def test_all_balanced_matrices_are_equally_likely() -> None:
    # There are 90 matrices of 4 models and 4 examples with all sums 2.
    halves = [sum(1 << i for i in half) for half in combinations(range(4), 2)]
    known = sum(
        all(sum(row >> i & 1 for row in rows) == 2 for i in range(4))
        for rows in np.array(np.meshgrid(*[halves] * 4)).reshape(4, -1).T.tolist()
    )
    assert known == 90
    draws = 1800
    counts: dict[bytes, int] = {}
    for seed in range(draws):
        key = Balanced(4).draw(4, seed).matrix.tobytes()
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == known
    squares = sum((count - draws / known) ** 2 for count in counts.values()) / (draws / known)
    # χ² with 89 degrees of freedom exceeds 146 once in ten thousand times.
    assert squares < 146


def test_no_pair_of_models_is_complementary() -> None:
    matrix = Balanced(8).draw(400, 0).matrix
    overlaps = [(matrix[i] & matrix[j]).sum() for i, j in combinations(range(8), 2)]
    assert min(overlaps) > 40


@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 10), st.integers(0, 100))
def test_quarters(targets: int, shadows: int, quarter: int, seed: int) -> None:
    drawn = Quarters(targets, shadows).draw(4 * quarter, seed)
    assert (drawn.matrix.sum(axis=1) == quarter).all()
    own, others = drawn.matrix[:targets], drawn.matrix[targets:]
    assert (own == own[0]).all()
    assert not (own.any(axis=0) & others.any(axis=0)).any()
    assert not others[:, drawn.evaluated].any()
    assert own[0][drawn.evaluated].sum() == quarter == len(drawn.evaluated) // 2
    assert drawn.targets == tuple(range(targets))
    assert drawn.shadows == tuple(range(targets, targets + shadows))


@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 20), st.integers(0, 100))
def test_pairs(target_pairs: int, shadow_pairs: int, half: int, seed: int) -> None:
    targets, shadows = 2 * target_pairs, 2 * shadow_pairs
    drawn = Pairs(targets, shadows).draw(2 * half, seed)
    assert (drawn.matrix.sum(axis=1) == half).all()
    assert drawn.targets == tuple(range(targets))
    assert drawn.shadows == tuple(range(targets, targets + shadows))
    np.testing.assert_array_equal(drawn.evaluated, np.arange(2 * half))
    for k in range(2, shadows + 1, 2):
        assert (drawn.matrix[list(drawn.shadows[:k])].sum(axis=0) == k // 2).all()
    more = Pairs(targets, shadows + 2).draw(2 * half, seed)
    np.testing.assert_array_equal(more.matrix[: targets + shadows], drawn.matrix)


def test_shadow_pairs_say_nothing_of_a_target() -> None:
    matrix = Pairs(2, 20).draw(2000, 0).matrix
    agreement = (matrix[2:] == matrix[0]).mean(axis=1)
    # The standard deviation is that of 2,000 coins, .011.
    assert np.abs(agreement - 0.5).max() < 0.05
    assert len({row.tobytes() for row in matrix}) == 22


def test_each_shadow_has_its_own_half_of_the_pool() -> None:
    others = Quarters(1, 4).draw(400, 0).matrix[1:]
    assert len({row.tobytes() for row in others}) == 4


def test_member_indices_are_the_members() -> None:
    matrix = Balanced(4).draw(10, 3).matrix
    for row, indices in zip(matrix, member_indices(matrix), strict=True):
        np.testing.assert_array_equal(np.flatnonzero(row), indices)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Balanced(5),
            "models must be even, so that each example is in half of them, got 5",
        ),
        (lambda: Balanced(0), "models must be an integer of at least 2, got 0"),
        (lambda: Balanced(4).draw(7, 0), "multiple of 2 examples, got 7; the nearest below is 6"),
        (lambda: Balanced(None), "models must be an integer, got None"),
        (lambda: Balanced({4}), "models must be an integer, got a set"),
        (lambda: Quarters([1], 2), "targets must be an integer, got a list"),
        (lambda: Balanced(10**400).draw(4, 0), "more than 4,294,967,296 places: take fewer mod"),
        (lambda: Quarters(1, 10**12).draw(4, 0), "more than 4,294,967,296 places: take fewer mod"),
        (lambda: Quarters(0, 4), "targets must be an integer of at least 1, got 0"),
        (lambda: Pairs(3, 4), "pairs need an even number of targets, got 3"),
        (lambda: Pairs(2, 5), "pairs need an even number of shadows, got 5"),
        (lambda: Pairs(2, 0), "shadows must be an integer of at least 2, got 0"),
        (lambda: Pairs(2, 4).draw(7, 0), "multiple of 2 examples, got 7; the nearest below is 6"),
        (lambda: Quarters(1, 4).draw(10, 0), "multiple of 4 examples, got 10"),
        (
            lambda: member_indices(np.array([[True, True], [True, False]])),
            r"same number of members, got \[2, 1\]",
        ),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
