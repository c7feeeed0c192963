"""The layout of a store of signals: its arrays, its models, and a hash of their inputs."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pptp_jax.validation import Refused

FORMAT = 2


class Part(NamedTuple):
    """The shape and type of what is kept of each model under one name.

    Examples:
        >>> Part((2, 100)).bytes
        800
    """

    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def bytes(self) -> int:
        """The length on disk."""
        return int(np.prod(self.shape, dtype=int)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The layout of a store.

    Attributes:
        key: a hash of everything that the numbers depend on.
        models: the number of models.
        examples: the number of examples.
        queries: the names of the queries for each example.
        parts: what is kept of each model, by name.
        mode: the mode that the models were in.

    Examples:
        >>> layout = Layout(
        ...     key="0",
        ...     models=3,
        ...     examples=50,
        ...     queries=("identity",),
        ...     parts={"logits": Part((1, 50, 10))},
        ... )
        >>> layout.shape("logits"), layout.to_json()["mode"]
        ((3, 1, 50, 10), 'eval')
    """

    key: str
    models: int
    examples: int
    queries: tuple[str, ...]
    parts: Mapping[str, Part]
    mode: str = "eval"

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an entire array, models first."""
        return (self.models, *self.parts[name].shape)

    def header(self, name: str) -> bytes:
        """The beginning of an array's `.npy` file."""
        file = io.BytesIO()
        descr = np.lib.format.dtype_to_descr(np.dtype(self.parts[name].dtype))
        what = {"descr": descr, "fortran_order": False, "shape": self.shape(name)}
        np.lib.format.write_array_header_1_0(file, what)
        return file.getvalue()

    def check(self, model: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Refuses what is not one of the models, or not what is kept of one.

        Raises:
            ValueError: saying what is wrong, and what would be right.
        """
        if not 0 <= model < self.models:
            raise Refused(f"the store has models 0 to {self.models - 1}, got {model}")
        if set(arrays) != set(self.parts):
            raise Refused(
                f"the store keeps {', '.join(sorted(self.parts))} of a model, got "
                f"{', '.join(sorted(arrays))}"
            )
        for name, part in self.parts.items():
            shape, dtype = arrays[name].shape, arrays[name].dtype
            if shape != part.shape or dtype != np.dtype(part.dtype):
                raise Refused(
                    f"{name} of a model has shape {part.shape} in {part.dtype} in this store, got "
                    f"{shape} in {dtype}"
                )

    def to_json(self) -> dict[str, Any]:
        """The layout as plain data."""
        parts = {n: {"shape": list(p.shape), "dtype": p.dtype} for n, p in self.parts.items()}
        return {
            "format": FORMAT,
            "key": self.key,
            "models": self.models,
            "examples": self.examples,
            "queries": list(self.queries),
            "mode": self.mode,
            "parts": parts,
        }
