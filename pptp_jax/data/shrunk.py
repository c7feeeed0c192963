"""Smaller images: each pixel the mean of a square of them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from jaxtyping import Shaped

from pptp_jax.data.dataset import Dataset
from pptp_jax.data.source import Select, Source, moved
from pptp_jax.validation import Refused, at_least


@dataclass(frozen=True)
class Shrunk:
    """The images of another source, a square of pixels averaged into one.

    What a study costs falls with the square of `factor`. Means of integers are rounded to
    integers, a half to the even one.

    Attributes:
        source: where the images come from.
        factor: how many rows, and how many columns, become one.

    Examples:
        >>> import tempfile
        >>> from pptp_jax.data import Npz
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = f"{directory}/mine.npz"
        ...     x = np.arange(64, dtype=np.uint8).reshape(4, 4, 4, 1)
        ...     np.savez(path, x=x, y=np.array([0, 1, 0, 1]))
        ...     data = Shrunk(Npz(path), factor=2).load()
        >>> data.name, data.x.shape, data.x[0, 0, 0].tolist()
        ('mine.npz, shrunk 2 times', (4, 2, 2, 1), [2])
    """

    source: Source
    factor: int = 2

    def __post_init__(self) -> None:
        at_least(2, factor=self.factor)

    def load(self, select: Select = np.arange) -> Dataset:
        """Reads and shrinks the images that `select` names.

        Raises:
            ValueError: if these are no images, or their sides no multiples of the factor.
        """
        whole = self.source.load(select)
        name = f"{whole.name}, shrunk {self.factor} times"
        return replace(whole, name=name, x=_means(whole.name, whole.x, self.factor))

    def at(self, path: Path) -> Self:
        """The same with the source at another place."""
        return replace(self, source=moved(self.source, path))


def _means(name: str, x: np.ndarray, factor: int) -> Shaped[np.ndarray, "examples _ _ channels"]:
    if x.ndim != 4 or x.shape[1] % factor or x.shape[2] % factor:
        raise Refused(
            f"{name}: only images of shape (examples, height, width, channels) whose height and "
            f"width are multiples of {factor} shrink {factor} times, got {x.shape}"
        )
    count, height, width, channels = x.shape
    squares = x.reshape(count, height // factor, factor, width // factor, factor, channels)
    means = squares.mean(axis=(2, 4), dtype=np.float64)
    return (means.round() if x.dtype.kind in "iu" else means).astype(x.dtype)
