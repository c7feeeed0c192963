"""A data set that stays on disk: grain reads its examples during training."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from jaxtyping import Int, Shaped

from pptp_jax.data.augmentation import Augmentation
from pptp_jax.validation import Refused, at_least, positive

Examples = tuple[Shaped[np.ndarray, "batch ..."], Int[np.ndarray, " batch"]]


class RandomAccess(Protocol):
    """A sequence with random access: an index gives an input and its label."""

    def __len__(self) -> int:
        """How many examples there are."""
        ...

    def __getitem__(self, row: int, /) -> Any:
        """The example at a row, as a pair; several threads may ask at once."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """A data set that need not fit into memory, and how it is read.

    Attributes:
        name: the data set's name, with its version where it has one.
        source: gives any example as a pair of input and label.
        num_classes: the number of classes.
        scale: what the inputs are multiplied by before a model sees them.
        reference: the rows of the reference examples, which are kept in memory.
        augmentation: what is done to inputs in training; None for nothing.
        prepare: makes an input of what the source gives, such as an image of one size; the same for
            the same image. None leaves it as it is.
        ahead: how many batches are read ahead, each by a thread of its own; 0 reads a batch when it
            is requested.
        workers: how many processes read in place of this one, for a `prepare` in Python that keeps
            threads waiting for each other; 0 reads here.

    Raises:
        ValueError: if a number is out of range, or the source is empty.
        ImportError: if grain is not installed.

    Examples:
        >>> squares = [(np.full(2, row), row % 2) for row in range(6)]
        >>> stream = Stream(name="squares", source=squares, num_classes=2)
        >>> for x, y in stream.batches(np.array([[5, 0], [2, 3]])):
        ...     print(x.tolist(), y.tolist())
        [[5, 5], [0, 0]] [1, 0]
        [[2, 2], [3, 3]] [0, 1]
    """

    name: str
    source: RandomAccess
    num_classes: int
    scale: float = 1.0
    reference: Sequence[int] | Int[np.ndarray, " reference"] = ()
    augmentation: Augmentation | None = None
    prepare: Callable[[np.ndarray], np.ndarray] | None = None
    ahead: int = 4
    workers: int = 0

    def __post_init__(self) -> None:
        at_least(2, num_classes=self.num_classes)
        at_least(0, ahead=self.ahead, workers=self.workers)
        positive(scale=self.scale)
        if len(self) == 0:
            raise Refused(f"{self.name} is empty; there must be examples to stream")
        _grain()

    def __len__(self) -> int:
        return len(self.source)

    def read(self, rows: Int[np.ndarray, " batch"]) -> Examples:
        """Some examples, read here and now.

        Args:
            rows: which ones.

        Raises:
            ValueError: if a model could not take one of them.
        """
        found = [self._example(row) for row in rows]
        shape, dtype = self._like
        x = np.array([x for x, _ in found], dtype).reshape(len(rows), *shape)
        return x, np.array([y for _, y in found], np.int32)

    def batches(self, rows: Int[np.ndarray, "steps batch"]) -> Generator[Examples]:
        """Batches of examples, one after another; no more than `ahead` wait to be taken.

        With workers, up to three more for each of them.

        Args:
            rows: the examples of each batch.

        Raises:
            ValueError: if a model could not take one of them.
        """
        grain = _grain()
        threads = self.ahead if self.workers == 0 else -(-self.ahead // self.workers)
        reading = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
        examples = grain.MapDataset.source(rows.reshape(-1)).map(self._example)
        batches = examples.batch(rows.shape[1]).to_iter_dataset(reading)
        if self.workers:
            _settle_flags()
            batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=self.workers))
        with closing(iter(batches)) as read:
            for x, y in read:
                # A worker frees its memory with its array, even while a view of it is in use.
                yield (np.array(x), np.array(y)) if self.workers else (x, y)

    @cached_property
    def _like(self) -> tuple[tuple[int, ...], np.dtype]:
        """The shape and type of the first input, which all others must have."""
        x, _ = self._pair(0)
        if x.ndim == 0 or x.dtype.kind not in "buif":
            raise Refused(
                f"{self.name}: inputs must be arrays of booleans, integers or floats; that at row "
                f"0 has shape {x.shape} and type {x.dtype}"
            )
        return x.shape, x.dtype

    def _pair(self, row: int) -> tuple[np.ndarray, Any]:
        x, y = self.source[int(row)]
        return np.asarray(x if self.prepare is None else self.prepare(x)), y

    def _example(self, row: int) -> tuple[np.ndarray, np.int32]:
        (x, y), (shape, dtype) = self._pair(row), self._like
        if (x.shape, x.dtype) != (shape, dtype):
            raise Refused(
                f"{self.name}: the input at row {row} has shape {x.shape} and type {x.dtype}, that "
                f"at row 0 {shape} and {dtype}: make them alike, with `prepare`"
            )
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            raise Refused(f"{self.name}: the input at row {row} holds NaN or infinity")
        if np.asarray(y).dtype.kind not in "iu" or not 0 <= y < self.num_classes:
            raise Refused(
                f"{self.name}: labels must be integers from 0 to {self.num_classes - 1}, that "
                f"at row {row} is {y}"
            )
        return x, np.int32(y)


def _grain() -> ModuleType:
    try:
        import grain
    except ImportError as error:
        raise ImportError(
            'data are streamed by grain, which is not installed: python -m pip install "pptp-jax'
            '[stream]"'
        ) from error
    return grain


def _settle_flags() -> None:
    """Looks at the flags of the command line, which Grain's workers ask for."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
