"""A study that is quick to check: forty images of four pixels, of two classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from pptp_jax.data import Balanced, Dataset
from pptp_jax.data.source import Select
from pptp_jax.models import mlp
from pptp_jax.study import Study
from pptp_jax.training import freeze, undefended


def arrays() -> dict[str, np.ndarray]:
    """The examples as a `.npz` file has them."""
    rng = np.random.default_rng(0)
    x = np.round(rng.random((40, 2, 2, 1)) * 8) / 8
    return {"x": x.astype(np.float32), "y": np.arange(40) % 2, "ids": np.arange(40).astype(str)}


@dataclass(frozen=True)
class Small:
    """The same from memory."""

    path: str | None = None

    def load(self, select: Select = np.arange) -> Dataset:
        rows = select(40)
        x, y, ids = (array[rows] for array in arrays().values())
        return Dataset("small", x, y, ids, 2)

    def at(self, path: Path) -> Self:
        return type(self)(str(path))


STUDY = Study(
    name="small",
    data=Small(),
    model=mlp([3], num_classes=2),
    split=Balanced(models=4),
    batch_size=5,
    resamples=5,
    recipes=(undefended(1), freeze("stem", after=1, more=1)),
)
