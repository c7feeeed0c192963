"""What every source of data is."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np
from jaxtyping import Int

from pptp_jax.data.dataset import Dataset

Select = Callable[[int], Int[np.ndarray, " examples"]]


@runtime_checkable
class Source(Protocol):
    """A place that data come from: plain frozen data, nothing read before `load`."""

    def load(self, select: Select = np.arange) -> Dataset:
        """Reads the rows that `select` names, given how many there are."""
        ...

    def at(self, path: Path) -> Self:
        """The same source at another place on disk."""
        ...
