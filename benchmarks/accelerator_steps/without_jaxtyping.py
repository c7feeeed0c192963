"""Stands in for jaxtyping where it is missing: its annotations, without the checks of shapes.

The library takes nothing else from jaxtyping. Only the steps of `accelerator.py` use this module,
and only on a machine that has no jaxtyping; the machine's record then says so.
"""

import sys
from importlib.util import find_spec
from typing import Any

MISSING = find_spec("jaxtyping") is None


class Shaped:
    """An array of any shape."""

    def __class_getitem__(cls, item: Any) -> Any:
        return item[0] if isinstance(item, tuple) else item


def stand_in() -> None:
    """Makes this module `jaxtyping` in this process, where there is none."""
    if MISSING:
        sys.modules["jaxtyping"] = sys.modules[__name__]


def __getattr__(name: str) -> Any:
    if name == "Array":
        from jax import Array  # here, so that JAX is loaded no sooner than with jaxtyping

        return Array
    if name in ("Bool", "Float", "Int", "Key", "PyTree", "Real", "UInt8"):
        return Shaped
    raise AttributeError(f"{__name__} has no {name}: take it in, if the library now needs it")
