"""A data set in memory, checked once, with identities that never change."""

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from pptp_jax.validation import Refused, at_least


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples, targets and identities; refuses data that no model should see.

    Attributes:
        name: the data set's name, with its version where it has one.
        x: the inputs, as they are stored: booleans, integers or floats.
        y: what a model shall say: labels from 0 to `num_classes` − 1, finite floats, or symbols of
            the vocabulary, one a place, and −1 where a place has none.
        ids: one identity an example, each once, stable from run to run.
        num_classes: the number of classes; None where targets are numbers and no classes.
        scale: what the inputs are multiplied by before a model sees them.
        vocabulary: the number of symbols, such as tokens, of the inputs: a model sees integers
            from 0 to `vocabulary` − 1, which are never scaled, standardised or rounded. None
            where inputs are amounts.
        owners: the owner of each example, such as a patient or a user: integers or texts. None
            if unknown.

    Raises:
        ValueError: naming what is wrong with the data, and what would be right.

    Examples:
        >>> data = Dataset("two", np.ones((2, 3)), np.array([0, 1]), np.array(["a", "b"]), 2)
        >>> len(data), len(data.fingerprint)
        (2, 64)
    """

    name: str
    x: Shaped[np.ndarray, "examples ..."]
    y: Shaped[np.ndarray, "examples ..."]
    ids: Shaped[np.ndarray, " examples"]
    num_classes: int | None
    scale: float = 1.0
    vocabulary: int | None = None
    owners: Shaped[np.ndarray, " examples"] | None = None

    def __post_init__(self) -> None:
        _check_inputs(self.name, self.x, self.scale)
        if self.vocabulary is not None:
            _check_symbols(self.name, "x", self.x, self.vocabulary, least=0)
            if self.scale != 1:
                raise Refused(f"{self.name}: symbols have no scale, got scale={self.scale:g}")
        if self.num_classes is not None:
            _check_labels(self.name, self.x, self.y, self.num_classes)
        elif self.vocabulary is not None and self.y.dtype.kind in "iu":
            _check_rows(self.name, self.x, self.y)
            _check_symbols(self.name, "y", self.y, self.vocabulary, least=-1)
        else:
            _check_numbers(self.name, self.x, self.y)
        if self.ids.shape != self.y.shape[:1]:
            raise Refused(
                f"{self.name}: ids must have one entry an example, shape {self.y.shape[:1]}, "
                f"got {self.ids.shape}"
            )
        if len(np.unique(self.ids)) != len(self.ids):
            raise Refused(f"{self.name}: ids must differ from example to example, some repeat")
        if self.owners is not None:
            _check_owners(self.name, self.owners, len(self.y))

    def __len__(self) -> int:
        return len(self.y)

    @property
    def labels(self) -> Int[np.ndarray, " examples"] | None:
        """The classes of the examples; None where targets are no classes."""
        return None if self.num_classes is None else self.y

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that a model or an attack can see, in hexadecimal."""
        known = [self.num_classes, self.scale]
        if self.vocabulary is not None:
            known.append(self.vocabulary)
        digest = hashlib.sha256(" ".join(map(str, known)).encode())
        owners = () if self.owners is None else (self.owners.astype(str),)
        for array in (self.x, self.y, self.ids.astype(str), *owners):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def inputs(self) -> Shaped[np.ndarray, "examples ..."]:
        """The inputs as a model sees them: float32, scaled; symbols as int32."""
        if self.vocabulary is not None:
            return self.x.astype(np.int32)
        return self.x.astype(np.float32) * np.float32(self.scale)


def _check_inputs(name: str, x: np.ndarray, scale: float) -> None:
    if x.dtype.kind not in "buif":
        raise Refused(
            f"{name}: x must hold booleans, integers or floats, got an array of {x.dtype} "
            "(an array of objects is no data set: store one rectangular numeric array)"
        )
    if x.ndim < 2:
        raise Refused(
            f"{name}: x must have shape (examples, ...) with at least two axes, got {x.shape}"
        )
    if x.size == 0:
        raise Refused(f"{name}: x is empty, its shape is {x.shape}; it must hold examples")
    if x.dtype.itemsize > 8:
        raise Refused(f"{name}: x must hold numbers of at most 64 bits, got an array of {x.dtype}")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        rows = np.unique(np.argwhere(~np.isfinite(x))[:, 0])
        raise Refused(
            f"{name}: x must be finite; {len(rows)} examples hold NaN or infinity, "
            f"the first at row {rows[0]}"
        )
    largest = max(abs(float(x.min())), abs(float(x.max())))
    most = float(np.finfo(np.float32).max)
    if max(largest, abs(scale), largest * abs(scale)) > most:
        raise Refused(
            f"{name}: x must lie within ±{most:.3g}, and so must x times the scale {scale:g}: a "
            f"model sees float32; the largest is {largest:.3g}"
        )


def _check_owners(name: str, owners: np.ndarray, examples: int) -> None:
    if owners.dtype.kind not in "iuUS":
        raise Refused(f"{name}: owners must be integers or texts, got an array of {owners.dtype}")
    if owners.shape != (examples,):
        raise Refused(
            f"{name}: owners must have one entry an example, shape ({examples},), got "
            f"{owners.shape}"
        )


def _check_numbers(name: str, x: np.ndarray, y: np.ndarray) -> None:
    if y.dtype.kind != "f" or y.dtype.itemsize > 8:
        raise Refused(
            f"{name}: without classes, y must hold floats of at most 64 bits, got an array of "
            f"{y.dtype}; of labels give num_classes"
        )
    _check_rows(name, x, y)
    if not (np.abs(y) <= np.finfo(np.float32).max).all():  # a model sees float32; NaN is refused
        raise Refused(f"{name}: y must be finite numbers of 32 bits, and some are not")


def _check_rows(name: str, x: np.ndarray, y: np.ndarray) -> None:
    if y.shape[:1] != x.shape[:1]:
        raise Refused(
            f"{name}: y must have {x.shape[0]} rows, one an example of x with shape {x.shape}; got "
            f"{y.shape}"
        )


def _check_symbols(name: str, which: str, ids: np.ndarray, vocabulary: int, least: int) -> None:
    at_least(2, vocabulary=vocabulary)
    if ids.dtype.kind not in "iu" or ids.ndim < 2:
        raise Refused(
            f"{name}: with a vocabulary, {which} must hold integers of shape (examples, "
            f"places), got an array of {ids.dtype} of shape {ids.shape}"
        )
    if ids.min() < least or ids.max() >= min(vocabulary, np.iinfo(np.int32).max):
        raise Refused(
            f"{name}: {which} must lie between {least} and vocabulary - 1 = {vocabulary - 1}, got "
            f"{ids.min()} to {ids.max()}"
        )


def _check_labels(name: str, x: np.ndarray, y: np.ndarray, num_classes: int) -> None:
    if y.dtype.kind not in "iu":
        raise Refused(f"{name}: y must hold integer class labels, got an array of {y.dtype}")
    if y.shape != x.shape[:1]:
        raise Refused(
            f"{name}: y must have shape ({x.shape[0]},), one label an example of x with shape "
            f"{x.shape}; got {y.shape}"
        )
    at_least(0, num_classes=num_classes)
    if num_classes < 2:
        raise Refused(f"{name}: a data set needs at least 2 classes, got {num_classes}")
    if num_classes > np.iinfo(np.int32).max:  # labels are int32 where a model learns them
        raise Refused(f"{name}: num_classes must fit into 32 bits, got {num_classes:.4g}")
    for bad, bounds in (
        (np.flatnonzero(y < 0), "be at least 0"),
        (np.flatnonzero(y >= num_classes), f"lie between 0 and {num_classes - 1}"),
    ):
        if bad.size:
            raise Refused(
                f"{name}: labels must {bounds}; of {y.size} rows {bad.size} do not fit, the first "
                f"is {y[bad[0]]} at row {bad[0]}"
            )
