"""Examples are read by grain when they are needed: the right ones, not too early, and checked."""

import sys
from pathlib import Path

import numpy as np
import pytest
from prepared import LABELLED, prepare

from pptp_jax.data import Stream, Tfds

SOURCE = [(np.full((2, 1), row, np.uint8), row % 3) for row in range(40)]
ROWS = np.random.default_rng(0).permutation(40)[:36].reshape(9, 4)


def stream(**options) -> Stream:
    return Stream(**{"name": "mine", "source": SOURCE, "num_classes": 3} | options)


def first_pixels(batches) -> list[list[int]]:
    found = []
    for x, y in batches:
        assert (x.dtype, x.shape, y.dtype) == (np.uint8, (4, 2, 1), np.int32)
        found.append(x[:, 0, 0].tolist())
        assert y.tolist() == [row % 3 for row in found[-1]]
    return found


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_batches_come_in_order(ahead: int) -> None:
    assert first_pixels(stream(ahead=ahead).batches(ROWS)) == ROWS.tolist()


def test_other_processes_can_read() -> None:
    # What they write into is gone when they are: the batches must be copies.
    batches = list(stream(workers=1).batches(ROWS[:3]))
    assert first_pixels(batches) == ROWS[:3].tolist()


def test_prepared_data_are_streamed_without_tensorflow(tmp_path: Path) -> None:
    source = Tfds("tiny", splits=("train", "test")).at(prepare(tmp_path, LABELLED, train=5, test=3))
    whole, streamed = source.load(), source.stream(ahead=2)
    assert (len(streamed), streamed.name, streamed.num_classes) == (8, "tiny:1.0.0", 3)
    assert streamed.scale == whole.scale
    rows = np.array([[7, 0], [4, 5]])
    for own, (x, y) in zip(rows, streamed.batches(rows), strict=True):
        np.testing.assert_array_equal(x, whole.x[own])
        np.testing.assert_array_equal(y, whole.y[own])
        np.testing.assert_array_equal(streamed.read(own)[0], whole.x[own])
    assert "tensorflow" not in sys.modules


def test_inputs_can_be_prepared() -> None:
    halved = stream(prepare=lambda x: x.astype(np.float32) / 2)
    [(x, _)] = halved.batches(np.array([[3, 5]]))
    assert x.dtype == np.float32 and x[:, 0, 0].tolist() == [1.5, 2.5]


class Counted:
    """A source that knows how many examples it has given."""

    given = 0

    def __len__(self) -> int:
        return 400

    def __getitem__(self, row: int):
        self.given += 1
        return np.full(2, row), 0


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_only_requested_rows_are_read(ahead: int) -> None:
    """However many more rows there are."""
    source = Counted()
    batches = stream(source=source, ahead=ahead).batches(np.arange(400).reshape(100, 4))
    for taken, _ in enumerate(batches, 1):
        assert source.given <= 1 + 4 * (taken + ahead)  # the first tells what all must be like
        if taken == 20:
            break
    batches.close()
    assert source.given < 150


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ((np.zeros((3, 1), np.uint8), 0), r"row 7 has shape \(3, 1\) .* that at row 0 \(2, 1\)"),
        ((np.zeros((2, 1), int), 0), r"row 7 has .* int64, that at row 0 \(2, 1\) and uint8: make"),
        ((np.zeros((2, 1), np.uint8), 3), "labels must be .* from 0 to 2, that at row 7 is 3"),
        ((np.zeros((2, 1), np.uint8), -1), "labels must be .* from 0 to 2, that at row 7 is -1"),
        ((np.zeros((2, 1), np.uint8), 0.5), "labels must be .* that at row 7 is 0.5"),
    ],
)
def test_examples_that_no_model_can_take(example, message: str) -> None:
    damaged = stream(source=[*SOURCE[:7], example])
    with pytest.raises(ValueError, match=f"mine: .*{message}"):
        list(damaged.batches(np.array([[1, 2], [6, 7]])))


def test_bad_inputs() -> None:
    with pytest.raises(ValueError, match="mine: the input at row 1 holds NaN or infinity"):
        stream(source=[(np.zeros(2), 0), (np.array([0, np.nan]), 0)]).read(np.array([0, 1]))
    with pytest.raises(ValueError, match=r"that at row 0 has shape \(\) and type <U3"):
        stream(source=[("cat", 0)]).read(np.array([0]))
    with pytest.raises(ValueError, match="mine is empty; there must be examples to stream"):
        stream(source=[])
    with pytest.raises(ValueError, match="ahead must be an integer of at least 0, got -1"):
        stream(ahead=-1)
    with pytest.raises(ValueError, match="workers must be an integer of at least 0"):
        stream(workers=1.5)


def test_without_grain_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(ImportError, match=r'pip install "pptp-jax\[stream\]"'):
        stream()
