"""GGUF files: the metadata and the tensors of a language model in one file."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from pptp_jax.validation import Refused
from pptp_jax.validation.extras import extra


@dataclass(frozen=True, eq=False)
class GGUFFile:
    """An open GGUF file; tensors are read when they are first used.

    Attributes:
        path: where it is.
        reader: the `gguf.GGUFReader` that has read its metadata.
    """

    path: Path
    reader: Any

    def get(self, name: str, default: Any = None) -> Any:
        """The metadata of this name, as Python's own values; `default` where there are none."""
        field = self.reader.get_field(name)
        return default if field is None else field.contents()

    def __getitem__(self, name: str) -> Any:
        found = self.get(name)
        if found is None:
            raise Refused(f"{self.path}: its metadata lack {name}")
        return found

    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors by name, dequantised to float32.

        Raises:
            ValueError: if the package `gguf` cannot dequantise one of them.
        """
        dequantize = extra("gguf", "language").dequantize
        found = {}
        for tensor in self.reader.tensors:
            try:
                # A copy: what needs no dequantisation would still be part of the file.
                found[tensor.name] = np.array(dequantize(tensor.data, tensor.tensor_type))
            except NotImplementedError as error:
                raise Refused(f"{self.path}: {tensor.name}: {error}") from error
        return found


def open_gguf(path: str | PathLike[str]) -> GGUFFile:
    """Opens a GGUF file (extra `language`).

    Args:
        path: the file.

    Raises:
        ImportError: if the package `gguf` is not installed.
        ValueError: if there is no such file, or it is no GGUF file.

    References:
        https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
    """
    path = Path(path)
    if not path.is_file():
        raise Refused(f"{path}: there is no such file")
    gguf = extra("gguf", "language")
    try:
        return GGUFFile(path, gguf.GGUFReader(path))
    except Exception as error:  # of many types, where the file is damaged or none of theirs
        raise Refused(f"{path}: this is no GGUF file, or not all of one: {error}") from error
