"""The handwritten digits inside scikit-learn: no download, no file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from pptp_jax.data.dataset import Dataset
from pptp_jax.data.source import Select
from pptp_jax.validation import Refused


@dataclass(frozen=True)
class Digits:
    """1,797 images of 8×8 grey levels in 10 classes.

    References:
        Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
        Repository, 1998, https://doi.org/10.24432/C50P49

    Examples:
        >>> Digits().load().x.shape
        (1797, 8, 8, 1)
    """

    def load(self, select: Select = np.arange, *, examples: int | None = None) -> Dataset:
        """Reads the images; identities are their positions in scikit-learn's order.

        Args:
            select: the rows to read, given how many there are.
            examples: how many of these rows, the first ones; None for all.
        """
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        rows = select(len(y))[:examples]
        return Dataset(
            name="digits",
            x=x[rows].astype(np.uint8).reshape(-1, 8, 8, 1),
            y=y[rows].astype(np.int32),
            ids=np.array([f"digits/{row}" for row in rows]),
            num_classes=10,
            scale=1 / 16,
        )

    def at(self, path: Path) -> Self:
        """Refuses: the digits come with scikit-learn and lie nowhere else."""
        raise Refused(f"this study's data are scikit-learn's digits, they take no path: {path}")
