"""Setting examples aside."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.data import Balanced, divide


@given(st.integers(20, 300), st.integers(0, 10), st.floats(0, 0.5), st.sampled_from([2, 4]))
def test_the_parts_share_nothing_and_waste_little(
    examples: int, reference: int, tuning: float, multiple: int
) -> None:
    tuning = 0.0 if tuning * (examples - reference) < multiple else tuning
    parts = divide(examples, reference=reference, tuning=tuning, multiple=multiple, seed=1)
    rows = np.concatenate(parts)
    assert len(set(rows.tolist())) == len(rows) >= examples - 2 * multiple
    assert set(rows.tolist()) <= set(range(examples))
    assert len(parts.reference) == reference
    assert len(parts.evaluated) % multiple == len(parts.tuning) % multiple == 0
    assert abs(len(parts.tuning) - tuning * (examples - reference)) <= multiple


def test_the_division_depends_on_the_seed_alone() -> None:
    first, again, other = (
        divide(100, reference=20, tuning=0.25, multiple=2, seed=seed) for seed in (0, 0, 1)
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.tuning, other.tuning)


def test_nothing_set_aside_is_everything_in_its_order() -> None:
    parts = divide(10, reference=0, tuning=0.0, multiple=2, seed=5)
    np.testing.assert_array_equal(parts.evaluated, np.arange(10))


def test_spread_puts_members_where_they_stand() -> None:
    own = Balanced(models=4).draw(examples=6, seed=0)
    rows = np.array([0, 2, 3, 5, 7, 8])
    spread = own.spread(rows, examples=9)
    np.testing.assert_array_equal(spread.matrix[:, rows], own.matrix)
    assert spread.matrix.sum() == own.matrix.sum()
    np.testing.assert_array_equal(spread.evaluated, rows)
