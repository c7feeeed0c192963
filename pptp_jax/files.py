"""Writing files whole or not at all."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


def write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Lets `fill` write a file aside and puts it in its place when it is whole and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes one array, without pickle."""
    write(path, lambda file: np.save(file, array, allow_pickle=False))


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes named arrays, without pickle."""
    write(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def write_json(path: Path, content: Any) -> None:
    """Writes plain data as JSON; NaN is refused, since JSON has none."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write(path, lambda file: file.write(text.encode()))


def link(source: Path, path: Path) -> None:
    """Gives a file a second name, without a copy where the file system can."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.hardlink_to(source)
    except OSError:
        with source.open("rb") as file:
            write(path, partial(shutil.copyfileobj, file))
