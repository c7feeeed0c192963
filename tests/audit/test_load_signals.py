"""Signals from elsewhere, read from files."""

import ml_dtypes
import numpy as np
import pytest

from pptp_jax.audit import read_given

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 2, 30, 4)).astype(np.float32)
LABELS = RNG.integers(0, 4, 30)
MEMBERSHIP = RNG.permuted(np.tile(np.arange(6) < 3, (30, 1)), axis=1).T
HALF = LOGITS[:, 0].astype(ml_dtypes.bfloat16)


def test_bfloat16_is_read_from_a_file(tmp_path):
    np.savez(tmp_path / "s.npz", logits=HALF, membership=MEMBERSHIP, labels=LABELS)
    read = read_given(tmp_path / "s.npz")["signals"]["logits"]
    np.testing.assert_array_equal(read, HALF.astype(np.float32), strict=True)


def test_arrays_may_lie_in_either_file(tmp_path):
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(a, logits=LOGITS, targets=np.arange(2))
    np.savez(b, membership=MEMBERSHIP, labels=LABELS)
    given = read_given(a, b)
    assert list(given["signals"]) == ["logits"]
    assert given["targets"].tolist() == [0, 1] and given["shadows"] is None
    np.testing.assert_array_equal(given["labels"], LABELS)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"logits": LOGITS}, "there is no array `membership` in .*s.npz"),
        ({"memberships": MEMBERSHIP}, "array 'memberships' is unknown; did you mean 'membership'"),
        ({"arr_0": MEMBERSHIP}, "an array has no name"),
        ({"membership": np.array([None])}, "no .npz file of plain arrays: it holds Python objects"),
    ],
)
def test_files_that_say_something_else(tmp_path, arrays, message):
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_given(tmp_path / "s.npz")


def test_files_that_are_none(tmp_path):
    (tmp_path / "text.npz").write_text("no arrays")
    np.save(tmp_path / "alone.npy", LOGITS)
    np.savez(tmp_path / "s.npz", membership=MEMBERSHIP)
    with pytest.raises(ValueError, match=r"text.npz: this is no .npz file .* it is no archive"):
        read_given(tmp_path / "text.npz")
    with pytest.raises(ValueError, match="it is a single array: store arrays by name"):
        read_given(tmp_path / "alone.npy")
    np.savez(tmp_path / "t.npz", membership=MEMBERSHIP)
    with pytest.raises(ValueError, match=r"t.npz: membership is in another of the files as well"):
        read_given(tmp_path / "s.npz", tmp_path / "t.npz")
