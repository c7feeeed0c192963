"""Prepared TensorFlow Datasets, read without TensorFlow."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from pptp_jax.data.dataset import Dataset
from pptp_jax.data.source import Select
from pptp_jax.data.stream import Stream
from pptp_jax.validation import Refused

DEFAULT_DIR = "~/tensorflow_datasets"


@dataclass(frozen=True)
class Tfds:
    """An image-classification data set of TFDS by name, through `tfds.data_source`.

    Nothing is downloaded: the data must lie prepared on disk, as array_record files.

    Attributes:
        name: the data set's name, such as `cifar10`.
        splits: the splits that are read, joined in this order.
        data_dir: where prepared data lie; None means `TFDS_DATA_DIR` or TFDS's own default.

    Examples:
        >>> Tfds("mnist", data_dir="nowhere").load()
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: mnist is not prepared under nowhere. Where TensorFlow is ...
    """

    name: str
    splits: tuple[str, ...] = ("train",)
    data_dir: str | None = None

    def load(self, select: Select = np.arange) -> Dataset:
        """Reads the images; identities are the records' `id`, else split and prepared position.

        Raises:
            ValueError: if the data are not prepared, in another format, or not classified images.
        """
        info, sources = self._opened()
        ends = np.cumsum([len(source) for source in sources])
        records: list[dict[str, Any]] = []
        ids: list[str] = []
        rows = select(int(ends[-1]))
        for split, source, end in zip(self.splits, sources, ends, strict=True):
            start = end - len(source)
            own = (rows[(rows >= start) & (rows < end)] - start).tolist()
            read = source.__getitems__(own) if own else []
            records += read
            ids += [
                record["id"].decode() if "id" in record else f"{split}/{row}"
                for row, record in zip(own, read, strict=True)
            ]
        return Dataset(
            name=f"{self.name}:{info.version}",
            x=np.stack([record["image"] for record in records]),
            y=np.array([record["label"] for record in records], np.int32),
            ids=np.array(ids),
            num_classes=info.features["label"].num_classes,
            scale=1 / 255,
        )

    def stream(
        self,
        *,
        prepare: Callable[[np.ndarray], np.ndarray] | None = None,
        ahead: int = 4,
        workers: int = 0,
    ) -> Stream:
        """The same images, in the same rows, read when they are needed.

        Args:
            prepare: makes an image of one size of an image as it is stored; None leaves it.
            ahead: how many batches are read ahead.
            workers: how many processes read; 0 reads in this one.

        Raises:
            ValueError: if the data are not prepared, in another format, or not classified images.
            ImportError: if grain is not installed.
        """
        info, sources = self._opened()
        return Stream(
            name=f"{self.name}:{info.version}",
            source=_Joined(sources),
            num_classes=info.features["label"].num_classes,
            scale=1 / 255,
            prepare=prepare,
            ahead=ahead,
            workers=workers,
        )

    def at(self, path: Path) -> Self:
        """The same data set prepared in another directory."""
        return replace(self, data_dir=str(path))

    def _opened(self) -> tuple[Any, list[Any]]:
        """The data set in TFDS and its splits, of which nothing is read yet."""
        root = Path(self.data_dir or os.environ.get("TFDS_DATA_DIR", DEFAULT_DIR)).expanduser()
        version = _prepared_version(self.name, root)

        import tensorflow_datasets as tfds

        info = tfds.builder_from_directory(version).info
        for split in self.splits:
            if split not in info.splits:
                raise Refused(
                    f"{self.name} has no split {split!r}; it has {', '.join(info.splits)}"
                )
        missing = {"image", "label"} - set(info.features)
        if missing:
            raise Refused(
                f"{self.name}: records need an image and a label, they hold "
                f"{', '.join(info.features)}"
            )
        return info, [
            tfds.data_source(
                f"{self.name}:{info.version}", split=split, data_dir=root, download=False
            )
            for split in self.splits
        ]


class _Joined:
    """Splits as one source of images and labels."""

    def __init__(self, sources: Sequence[Any]) -> None:
        self._sources = sources
        self._ends = np.cumsum([len(source) for source in sources])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        split = int(np.searchsorted(self._ends, row, side="right"))
        start = int(self._ends[split]) - len(self._sources[split])
        record = self._sources[split][row - start]
        return record["image"], record["label"]


def _prepared_version(name: str, root: Path) -> Path:
    # TFDS itself would first try the network for minutes, then name a wrong cause.
    found = sorted(root.glob(f"{name}/*/dataset_info.json"))
    if not found:
        raise Refused(
            f"{name} is not prepared under {root}. Where TensorFlow is installed, prepare it once: "
            f"tfds.builder({name!r}, data_dir={str(root)!r}, file_format='array_record')"
            ".download_and_prepare(); or say where it lies with --data DIR"
        )
    version = found[-1].parent
    stored = json.loads(found[-1].read_text()).get("fileFormat", "tfrecord")
    if stored != "array_record":
        raise Refused(
            f"{version} is stored as {stored}, which only TensorFlow reads; prepare it again with "
            "file_format='array_record'"
        )
    return version
