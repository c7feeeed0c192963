"""In what units data are, and the numbers that standardise them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pptp_jax.data import Dataset, Digits, Npz, Scales, of_unit_scale
from pptp_jax.data.scales import FARTHEST


def dataset(x: np.ndarray, scale: float = 1.0) -> Dataset:
    return Dataset("d", x, np.arange(len(x)) % 2, np.arange(len(x)), 2, scale)


@pytest.mark.parametrize("shape", [(200, 3), (50, 4, 5, 3), (80, 7, 2)])
@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_they_are_the_mean_and_deviation_of_the_last_axis(shape, scale: float) -> None:
    x = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    mean, deviation = Scales.of(dataset(x, scale))
    whole = x.reshape(-1, shape[-1]) * scale
    np.testing.assert_allclose(mean, whole.mean(axis=0), atol=1e-3 * whole.std())
    np.testing.assert_allclose(deviation, whole.std(axis=0), rtol=1e-3)


@given(
    arrays.arrays(np.float32, (12, 3), elements=st.floats(-1e6, 1e6, width=32), fill=st.nothing()),
    st.sampled_from([1.0, 1 / 16, 3.0]),
)
def test_no_standardised_input_is_far_from_zero(x: np.ndarray, scale: float) -> None:
    data = dataset(x, scale)
    mean, deviation = Scales.of(data)
    assert (deviation > 0).all()
    # In double precision; a bit more is left to the rounding to four digits.
    assert (np.abs(x.astype(float) * scale - mean) <= 1.01 * FARTHEST * deviation).all()


def test_a_small_spread_on_a_large_value_is_kept() -> None:
    x = np.array([[1.6e9 + 512 * i] for i in range(40)])
    mean, deviation = Scales.of(dataset(x))
    np.testing.assert_allclose((x - mean) / deviation, (x - x.mean()) / x.std(), atol=1e-2)


def test_a_constant_input_becomes_nearly_zero() -> None:
    mean, deviation = Scales.of(dataset(np.full((6, 2), 40.0)))
    assert (mean == 40).all() and (deviation == 1).all()


def test_no_example_counts_more_for_being_a_member() -> None:
    """They depend on the examples alone, in any order."""
    x = np.random.default_rng(1).normal(size=(300, 4))
    one, other = Scales.of(dataset(x)), Scales.of(dataset(x[::-1].copy()))
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.deviation, other.deviation)


@pytest.mark.parametrize(
    ("x", "scale", "expected"),
    [
        (np.eye(4, dtype=np.uint8), 1.0, True),  # Location-30
        (-np.eye(4), 1.0, True),
        (255 * np.eye(4), 1.0, False),
        (255 * np.eye(4), 1 / 255, True),
        (16 * np.eye(4), 1 / 255, False),
        (-40 * np.eye(4), 1.0, False),
        (np.eye(4, dtype=bool), 1.0, True),
        (np.zeros((4, 2)), 1.0, False),
    ],
)
def test_unit_scale(x: np.ndarray, scale: float, expected: bool) -> None:
    assert of_unit_scale(dataset(x, scale)) == expected


@pytest.mark.parametrize(
    ("x", "scale"),
    [
        (np.full((4, 5, 5, 1), 200, np.uint8), 1 / 255),
        (np.full((4, 5, 5), 200, np.uint8), 1 / 255),
        (np.full((4, 5, 5), 1, np.uint8), 1.0),
        (np.full((4, 25), 200, np.uint8), 1.0),  # counts or ages, perhaps
        (np.full((4, 5, 5, 1), 200, np.float32), 1.0),
        (np.full((4, 5, 5, 1), 200, np.uint16), 1.0),
    ],
)
def test_pixels_of_an_npz_go_from_0_to_1(tmp_path: Path, x: np.ndarray, scale: float) -> None:
    path = str(tmp_path / "d.npz")
    np.savez(path, x=x, y=np.arange(4) % 2)
    assert Npz(path).load().scale == scale
    assert replace(Npz(path), scale=0.5).load().scale == 0.5


def test_digits_are_of_unit_scale() -> None:
    assert of_unit_scale(Digits().load())
