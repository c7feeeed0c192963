"""Images that are averaged to smaller ones."""

from pathlib import Path

import numpy as np
import pytest

from pptp_jax.data import Digits, Npz, Shrunk, moved
from pptp_jax.validation import Refused


def saved(directory: Path, x: np.ndarray) -> Npz:
    np.savez(directory / "images.npz", x=x, y=np.arange(len(x)) % 2)
    return Npz(directory / "images.npz")


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_each_pixel_is_the_mean_of_a_square(tmp_path: Path, kind: type) -> None:
    x = np.random.default_rng(0).integers(0, 256, (5, 6, 9, 2)).astype(kind)
    source = saved(tmp_path, x)
    small = Shrunk(source, factor=3).load(lambda count: np.arange(1, count))
    assert small.x.shape == (4, 2, 3, 2)
    assert small.x.dtype == kind
    for example, row, column, channel in np.ndindex(small.x.shape):
        square = x[1 + example, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3, channel]
        mean = square.mean(dtype=np.float64)
        expected = round(mean) if kind is np.uint8 else mean
        assert small.x[example, row, column, channel] == pytest.approx(expected, rel=1e-6)
    whole = source.load()
    np.testing.assert_array_equal(small.y, whole.y[1:])
    np.testing.assert_array_equal(small.ids, whole.ids[1:])
    assert (small.scale, small.num_classes) == (whole.scale, whole.num_classes)


def test_it_moves_with_its_source(tmp_path: Path) -> None:
    saved(tmp_path, np.full((4, 4, 4, 1), 8, np.uint8))
    there = moved(Shrunk(Npz()), tmp_path / "images.npz")
    assert there.load().x.max() == 8


@pytest.mark.parametrize(
    ("shape", "factor"), [((4, 6, 6, 1), 4), ((4, 6, 7, 1), 3), ((4, 6), 2), ((4, 6, 6), 2)]
)
def test_what_does_not_shrink_is_refused(
    tmp_path: Path, shape: tuple[int, ...], factor: int
) -> None:
    with pytest.raises(Refused, match=f"multiples of {factor} shrink {factor} times, got"):
        Shrunk(saved(tmp_path, np.ones(shape, np.uint8)), factor).load()


def test_a_factor_is_an_integer_of_two_and_more() -> None:
    with pytest.raises(Refused, match="factor must be an integer of at least 2, got 1"):
        Shrunk(Digits(), factor=1)
