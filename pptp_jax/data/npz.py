"""A data set of the user's own, from one `.npz` file."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from pptp_jax.data.dataset import Dataset
from pptp_jax.data.source import Select
from pptp_jax.storage.files import read_arrays
from pptp_jax.validation import Refused, given, positive
from pptp_jax.validation.field_types import check_fields


@dataclass(frozen=True)
class Npz:
    """A file of arrays `x` (examples, ...), `y` and, if given, `ids` and `owners`.

    The file is read without pickle, so it can hold nothing that runs. Without `ids`, examples are
    known by their row. `y` (examples,) are integer classes, unless `classes` is False. `owners`,
    whose each example is, integers or texts, serve a split `ByOwner`.

    Attributes:
        path: the file; None if it is to be given on the command line.
        num_classes: the number of classes; None counts up to the largest label, and then every
            class must have an example.
        scale: what the inputs are multiplied by before a model sees them. None: images of bytes,
            (examples, height, width) or with channels, are divided by 255, as those of TFDS are,
            unless all are 0 or 1; everything else stays as it is.
        classes: whether `y` are classes; else they are numbers, (examples, ...), as regression
            needs them.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = f"{directory}/mine.npz"
        ...     np.savez(path, x=np.eye(4), y=np.array([0, 1, 0, 1]))
        ...     data = Npz(path).load()
        >>> data.name, len(data), data.num_classes
        ('mine.npz', 4, 2)
    """

    path: str | Path | None = None
    num_classes: int | None = None
    scale: float | None = None
    classes: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.path, Path):
            object.__setattr__(self, "path", str(self.path))
        check_fields(self)
        positive(**given(scale=self.scale))
        if self.num_classes is not None and not self.classes:
            raise Refused(f"numbers have no classes, got num_classes={self.num_classes}")

    def load(self, select: Select = np.arange) -> Dataset:
        """Reads and checks the file.

        Raises:
            ValueError: if there is no such file, or it holds no data set.
        """
        if self.path is None:
            raise Refused("this study's data are a .npz file: say where with --data FILE.npz")
        path = Path(self.path)
        arrays = read_arrays(path)
        for key in ("x", "y"):
            if key not in arrays:
                held = ", ".join(arrays) or "nothing"
                raise Refused(f"{path}: there must be arrays x and y; the file holds {held}")
        x, y = arrays["x"], arrays["y"]
        ids = arrays.get("ids", np.arange(len(np.atleast_1d(y))).astype(str))
        num_classes = self.num_classes
        if num_classes is None and self.classes:
            num_classes = _count_classes(path, y)
        scale = _scale_of(x) if self.scale is None else self.scale
        whole = Dataset(
            path.name, x, y, ids.astype(str), num_classes, scale, owners=arrays.get("owners")
        )
        rows = select(len(whole))
        kind = np.float32 if num_classes is None else np.int32
        owners = None if whole.owners is None else whole.owners[rows]
        targets = y[rows].astype(kind)
        return replace(whole, x=x[rows], y=targets, ids=whole.ids[rows], owners=owners)

    def at(self, path: Path) -> Self:
        """The same source with another file."""
        return replace(self, path=str(path))


def _scale_of(x: np.ndarray) -> float:
    pixels = x.dtype == np.uint8 and x.ndim in (3, 4) and x.size > 0 and x.max() > 1
    return 1 / 255 if pixels else 1.0


def _count_classes(path: Path, y: np.ndarray) -> int:
    if y.dtype.kind not in "iu" or y.size == 0 or y.min() < 0:
        return 2  # what is wrong with these labels, the data set's own check says best
    found = np.unique(y)
    if len(found) <= found[-1]:
        gap = int(np.flatnonzero(found != np.arange(len(found)))[0])
        raise Refused(
            f"{path}: labels must run from 0 without gaps; the largest is {found[-1]}, but only "
            f"{len(found)} values occur and {gap} is not among them. Renumber them, or give "
            "Npz(num_classes=...)"
        )
    return len(found)
