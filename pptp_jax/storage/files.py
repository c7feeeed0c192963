"""Write files atomically."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pptp_jax.validation import Refused, with_python_numbers

_ASIDE = ".part"


def write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Lets `fill` write a file aside and puts it in its place when it is entire and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}{_ASIDE}")
    try:
        with naming(path), aside.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def sweep(directory: Path) -> None:
    """Removes the temporary files of a killed `write`; no process may be writing there."""
    for path in directory.rglob(f".*{_ASIDE}"):
        path.unlink()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Names a file in the system's errors that name none, as where the disk is full.

    Examples:
        >>> import errno
        >>> with naming(Path("signals.npy")):
        ...     raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        Traceback (most recent call last):
        OSError: [Errno 28] No space left on device: 'signals.npy'
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes one array, without pickle."""
    write(path, lambda file: np.save(file, array, allow_pickle=False))


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes named arrays, without pickle."""
    write(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file by name, without pickle, so that nothing in it runs.

    NumPy stores bfloat16 as bytes without a type; they become float32.

    Raises:
        ValueError: if there is no such file, or it holds anything else.
    """
    if not path.is_file():
        raise Refused(f"{path}: there is no such file")
    try:
        # NumPy, zipfile and each way of packing raise errors of their own for a file that is
        # damaged, locked or none of theirs, MemoryError and SyntaxError among them.
        with path.open("rb") as file:
            if file.read(6) == b"\x93NUMPY":
                raise Refused("it is a single array: store arrays by name with numpy.savez")
            if not zipfile.is_zipfile(file):
                raise Refused("it is no archive, as numpy.savez writes it, or not all of one")
            file.seek(0)
            stored = np.load(file, allow_pickle=False)
            arrays = {key: stored[key] for key in stored.files}
            for key, array in arrays.items():
                if not isinstance(array, np.ndarray):
                    raise Refused(f"what it holds as {key} is no array")
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        if "Object arrays" in why:
            why = (
                "it holds Python objects, such as texts of pandas: store numbers instead; "
                "numpy.unique(texts, return_inverse=True)[1] numbers classes"
            )
        raise Refused(f"{path}: this is no .npz file of plain arrays: {why:.300}") from error
    return {key: _widened(array) for key, array in arrays.items()}


def _widened(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.dtype("V2"):
        return array
    # The bits of a bfloat16 are the upper half of a float32's.
    return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def write_text(path: Path, text: str) -> None:
    """Writes a text entirely or not at all.

    Args:
        path: the file.
        text: what it holds.
    """
    encoded = text.encode()
    write(path, lambda file: file.write(encoded))


def write_json(path: Path, content: Any) -> None:
    """Writes plain data as JSON; NaN is refused, since JSON has none."""
    text = json.dumps(with_python_numbers(content), indent=1, allow_nan=False) + "\n"
    write(path, lambda file: file.write(text.encode()))


def link(source: Path, path: Path) -> None:
    """Gives a file a second name, without a copy where the file system can."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.hardlink_to(source)
    except OSError:
        with source.open("rb") as file:
            write(path, partial(shutil.copyfileobj, file))
