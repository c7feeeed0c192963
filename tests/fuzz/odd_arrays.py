"""What becomes of an array: the same in another form, something wrong, or something odd."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
from fuzzing import Case

Change = Callable[[Case, np.ndarray], Any]


def _plain(change: Callable[[np.ndarray], Any]) -> Change:
    return lambda case, array: change(array)


def _at_random(value: object) -> Change:
    def change(case: Case, array: np.ndarray) -> np.ndarray:
        changed = array.astype(np.result_type(array, np.float32))
        if changed.size:
            changed.flat[case.rng.integers(changed.size)] = value
        return changed

    return change


def _strided(array: np.ndarray) -> np.ndarray:
    return np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def _swapped(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder())


def _structured(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view([("value", array.dtype)])


def _one_less(case: Case, array: np.ndarray) -> np.ndarray:
    """Shorter by one along one of its axes."""
    axis = case.rng.integers(array.ndim)
    return np.delete(array, 0, axis)


# The same numbers, as they may lie in memory or in a file.
SAME: dict[str, Change] = {
    "as it is": _plain(lambda a: a),
    "in Fortran order": _plain(np.asfortranarray),
    "in swapped bytes": _plain(_swapped),
    "with gaps": _plain(_strided),
    "read-only": _plain(_read_only),
}

# The same numbers, as Python may hold them.
SAME_IN_PYTHON: dict[str, Change] = {
    **SAME,
    "as lists": _plain(lambda a: a.tolist()),
    "as a jax array": _plain(jnp.asarray),
    "as a masked array": _plain(np.ma.masked_array),
    "as a frame": _plain(lambda a: Frame(a)),
    "as a tuple of rows": _plain(tuple),
}

# Arrays that nothing can be made of, whatever they stand for.
WRONG: dict[str, Change] = {
    "complex": _plain(lambda a: a.astype(complex)),
    "as strings": _plain(lambda a: a.astype(str)),
    "as bytes": _plain(lambda a: a.astype("S")),
    "structured": _plain(_structured),
    "as dates": _plain(lambda a: np.zeros(a.shape, "datetime64[s]")),
    "as time spans": _plain(lambda a: np.zeros(a.shape, "timedelta64[s]")),
    "void": _plain(lambda a: np.zeros(a.shape, "V3")),
    "one axis more": _plain(lambda a: a[None, None, None]),
    "a number alone": _plain(lambda a: np.float32(0.5)),
    "empty": _plain(lambda a: a[:0]),
    "flat and empty": _plain(lambda a: np.zeros(0, a.dtype)),
}
WRONG_IN_PYTHON: dict[str, Change] = {
    **WRONG,
    "ragged": _plain(lambda a: [[1.0], [1.0, 2.0]]),
    "of objects": _plain(lambda a: a.astype(object)),
    "of None": _plain(lambda a: np.full(a.shape, None)),
    "a dict": _plain(lambda a: {"a": 1}),
    "a set": _plain(lambda a: {1.0, 2.0}),
    "a word": _plain(lambda a: "logits.npy"),
    "a class": _plain(lambda a: np.ndarray),
    "a generator": _plain(lambda a: (x for x in a)),
    "masked at a place": _plain(
        lambda a: np.ma.masked_array(a, np.arange(a.size).reshape(a.shape) == 0)
    ),
}

# Arrays that may be refused or used, but never end in nonsense.
ODD: dict[str, Change] = {
    "one less": _one_less,
    "another order of axes": _plain(lambda a: a.T),
    "half precision": _plain(lambda a: a.astype(np.float16)),
    "brain floats": _plain(lambda a: a.astype(ml_dtypes.bfloat16)),
    "long": _plain(lambda a: a.astype(np.longdouble)),
    "integers": _plain(lambda a: a.astype(np.int64)),
    "bytes of numbers": _plain(lambda a: a.astype(np.uint8)),
    "yes or no": _plain(lambda a: a.astype(bool)),
    "all zero": _plain(np.zeros_like),
    "all one": _plain(np.ones_like),
    "first row alone": _plain(lambda a: a[:1]),
    "first column alone": _plain(lambda a: a[:, :1] if a.ndim > 1 else a[:1]),
    "without its first axis": _plain(lambda a: a[0] if a.ndim else a),
    "doubled": _plain(lambda a: np.concatenate([a, a])),
    "negated": _plain(lambda a: ~a if a.dtype == bool else -a),
    "tiny": _plain(lambda a: a * np.float64(1e-310)),
    "huge": _plain(lambda a: a * np.float64(1e37)),
    "too huge": _plain(lambda a: a * np.float64(1e300)),
    "one huge": _at_random(3e38),
    "one just negative": _at_random(-1e-9),
    "one negative zero": _at_random(-0.0),
}

NOT_FINITE: dict[str, Change] = {
    "one not a number": _at_random(np.nan),
    "one infinite": _at_random(np.inf),
    "one minus infinity": _at_random(-np.inf),
}


class Frame:
    """As pandas has it: an array that comes out on demand, with other things on its surface."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.shape, self.columns = array.shape, range(array.shape[-1])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._array, dtype=dtype)

    def __len__(self) -> int:
        return len(self._array)


def changed(case: Case, table: Mapping[str, Change], name: str, array: Any) -> Any:
    """The array with a change of a table; itself where a change before has left it another kind."""
    change = case.named(table, f"{name} ")
    try:
        return change(case, array)
    except (TypeError, ValueError, IndexError, RuntimeWarning):
        case.chosen.append("which cannot be")
        return array
