"""Data from every source, and the refusal of data that no model should see."""

import pickle
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from pptp_jax.data import Dataset, Digits, Npz, sample

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])


def stored(path: Path, **arrays: np.ndarray) -> Npz:
    np.savez(path / "d.npz", **arrays)
    return Npz(str(path / "d.npz"))


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    data, known = Digits().load(), load_digits()
    np.testing.assert_array_equal(data.inputs().reshape(1797, 64), known.data / 16)
    np.testing.assert_array_equal(data.y, known.target)


def test_identities_do_not_depend_on_the_selection() -> None:
    whole, some = Digits().load(), Digits().load(lambda n: np.array([3, 500]))
    assert some.ids.tolist() == [whole.ids[3], whole.ids[500]] == ["digits/3", "digits/500"]
    np.testing.assert_array_equal(some.x, whole.x[[3, 500]])


def test_an_npz_is_read_as_it_is(tmp_path: Path) -> None:
    data = stored(tmp_path, x=X, y=Y).load()
    np.testing.assert_array_equal(data.x, X)
    assert (data.num_classes, data.name, data.ids.tolist()) == (3, "d.npz", list("012345"))


def test_an_npz_is_named_by_a_path_as_by_its_letters(tmp_path: Path) -> None:
    assert Npz(tmp_path) == Npz(str(tmp_path))
    with pytest.raises(ValueError, match="path must be a word or Path or None, got 3"):
        Npz(3)


def test_an_npz_of_bfloat16_is_read(tmp_path: Path) -> None:
    data = stored(tmp_path, x=X.astype(ml_dtypes.bfloat16), y=Y).load()
    np.testing.assert_array_equal(data.x, X.astype(np.float32), strict=True)


def test_inputs_that_the_scale_makes_infinite_are_refused(tmp_path: Path) -> None:
    stored(tmp_path, x=X, y=Y)
    assert np.isfinite(Npz(str(tmp_path / "d.npz"), scale=1e37).load().inputs()).all()
    with pytest.raises(ValueError, match=r"x times the scale 1e\+38: .* the largest is 11"):
        Npz(str(tmp_path / "d.npz"), scale=1e38).load()


def test_an_npz_may_bring_identities(tmp_path: Path) -> None:
    data = stored(tmp_path, x=X, y=Y, ids=np.array(list("abcdef"))).load(lambda n: np.array([1]))
    assert data.ids.tolist() == ["b"]


def test_the_fingerprint_sees_every_change() -> None:
    ids = np.arange(6)
    marks = {
        Dataset("a", X, Y, ids, 3).fingerprint,
        Dataset("a", X + 1, Y, ids, 3).fingerprint,
        Dataset("a", X.astype(np.float32), Y, ids, 3).fingerprint,
        Dataset("a", X, Y[::-1], ids, 3).fingerprint,
        Dataset("a", X, Y, ids + 1, 3).fingerprint,
        Dataset("a", X, Y, ids, 4).fingerprint,
        Dataset("a", X, Y, ids, 3, scale=0.5).fingerprint,
    }
    assert len(marks) == 7
    assert Dataset("b", X.copy(), Y, ids, 3).fingerprint in marks


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "there must be arrays x and y; the file holds x"),
        ({"x": X, "y": Y.astype(float)}, "y must hold integer class labels, got .* float64"),
        ({"x": X, "y": np.eye(3, dtype=int)[Y]}, r"y must have shape \(6,\).*got \(6, 3\)"),
        ({"x": X, "y": Y[:4]}, r"y must have shape \(6,\).*got \(4,\)"),
        (
            {"x": X, "y": Y - 1},
            r"labels must be at least 0; .* the first is -1 at row 0",
        ),
        (
            {"x": X, "y": Y * 2},
            "labels must run from 0 without gaps; the largest is 4, .* 1 is not among",
        ),
        ({"x": X, "y": Y * 10**9}, "labels must run from 0 without gaps"),
        ({"x": X, "y": Y * 0}, "at least 2 classes"),
        ({"x": np.where(X == 5, np.nan, X), "y": Y}, "1 examples hold NaN .* at row 2"),
        ({"x": X * 1e39, "y": Y}, r"x must lie within ±3.4e\+38, .* the largest is 1.1e\+40"),
        ({"x": X[:, 0], "y": Y}, r"x must have shape \(examples, ...\).*got \(6,\)"),
        ({"x": X[:0], "y": Y[:0]}, "x is empty"),
        (
            {"x": X.astype(np.longdouble), "y": Y},
            "numbers of at most 64 bits, got an array of float",
        ),
        ({"x": np.array([list("ab")] * 6), "y": Y}, "numbers|floats, got an array of <U1"),
        ({"x": X, "y": Y, "ids": np.zeros(6)}, "ids must differ"),
        ({"x": X, "y": Y, "ids": np.arange(5)}, r"ids must have one entry an example"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_bad_npz(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stored(tmp_path, **arrays).load()


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('this ran')",))


def test_an_npz_cannot_run_anything(tmp_path: Path) -> None:
    objects = np.empty(6, object)
    objects[:] = [Evil()] * 6
    path = tmp_path / "d.npz"
    np.savez(path, x=objects, y=Y, allow_pickle=True)
    with pytest.raises(ValueError, match=r"no \.npz file of plain arrays: it holds Python objects"):
        Npz(str(path)).load()
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match=r"no \.npz file of plain arrays"):
        Npz(str(path)).load()


def test_missing_damaged_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no such file"):
        Npz(str(tmp_path / "none.npz")).load()
    with pytest.raises(ValueError, match="say where with --data"):
        Npz().load()
    source = stored(tmp_path, x=X, y=Y)
    path = tmp_path / "d.npz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"no \.npz file"):
        source.load()
    np.save(tmp_path / "one.npy", X)
    with pytest.raises(ValueError, match=r"single array: store arrays by name with numpy\.savez"):
        Npz().at(tmp_path / "one.npy").load()


def test_labels_out_of_a_given_range(tmp_path: Path) -> None:
    stored(tmp_path, x=X, y=Y)
    with pytest.raises(
        ValueError, match=r"0 and 1; of 6 rows 2 do not fit, the first is 2 at row 2"
    ):
        Npz(str(tmp_path / "d.npz"), num_classes=2).load()


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (2.0, "num_classes must be an integer"),
        (2**31, "num_classes must fit into 32 bits, got 2.147e.09"),
    ],
)
def test_numbers_of_classes_that_are_none(classes: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Dataset("mine", X, Y, np.arange(6), classes)


def test_digits_take_no_path() -> None:
    with pytest.raises(ValueError, match="they take no path: elsewhere"):
        Digits().at(Path("elsewhere"))


def test_samples() -> None:
    first, again = (sample(100, examples=20, multiple=4, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(set(first.tolist())) == 20 and (np.diff(first) > 0).all()
    assert not np.array_equal(first, sample(100, examples=20, multiple=4, seed=2))


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (101, "101 examples were requested, but there are only 100"),
        (22, "multiple of 4 for an even split, got 22; the nearest below is 20"),
        (0, "examples must be an integer of at least 1, got 0"),
    ],
)
def test_bad_samples(examples: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample(100, examples=examples, multiple=4, seed=0)


def test_too_few_examples() -> None:
    with pytest.raises(ValueError, match=r"3 examples are too few for the split, .* at least 4"):
        sample(3, examples=None, multiple=4, seed=0)
