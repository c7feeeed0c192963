"""What every source of data is."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from pptp_jax.data.dataset import Dataset
from pptp_jax.validation import Refused

Select = Callable[[int], Int[np.ndarray, " examples"]]


@runtime_checkable
class Source(Protocol):
    """A place that data come from: plain frozen data, nothing read before `load`."""

    def load(self, select: Select = np.arange) -> Dataset:
        """Reads the rows that `select` names, given how many there are."""
        ...


def moved(source: Source, path: Path) -> Source:
    """The same source at another place on disk.

    Args:
        source: one with a method `at(path)`.
        path: where the data lie.

    Raises:
        ValueError: if the source takes no path.

    Examples:
        >>> from pptp_jax.data import Npz
        >>> str(moved(Npz(), Path("mine.npz")).path)
        'mine.npz'
    """
    at = getattr(source, "at", None)
    if at is None:
        raise Refused(f"this study's data, a {type(source).__name__}, take no path: {path}")
    there: Source = at(path)
    return there
