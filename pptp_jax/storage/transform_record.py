"""Optax transforms as plain data, as far as their functions show what they were made of."""

from collections.abc import Callable, Iterator
from typing import Any

from pptp_jax.validation import python_number

# The wrapper that optax puts around every part of a chain.
_WRAPPER = "with_extra_args_support"


def is_transform(thing: Any) -> bool:
    """Whether something is an `optax.GradientTransformation`; does not load optax."""
    return isinstance(thing, tuple) and getattr(thing, "_fields", None) == ("init", "update")


def describe_transform(transform: Any) -> dict[str, Any]:
    """The makers of an optax transform and its parts, with the numbers that can be read.

    A transform is a pair of functions, and its numbers are in no field: this reads the variables
    that the update function closes over. A number that it does not find still counts in the
    fingerprint of a fleet, which covers the lowered program.

    Args:
        transform: an `optax.GradientTransformation`.

    Examples:
        >>> import optax
        >>> describe_transform(optax.sgd(0.5))["parts"][-1]
        {'type': 'scale', 'step_size': -0.5}
    """
    return _described(transform.update)


def _described(update: Callable[..., Any]) -> dict[str, Any]:
    closed = _closed_over(update)
    parts = [part for value in closed.values() for part in _updates(value)]
    name = getattr(update, "__qualname__", type(update).__qualname__).split(".")[0]
    if name == _WRAPPER and len(parts) == 1:
        return _described(parts[0])
    numbers = {key: python_number(value) for key, value in closed.items()}
    found = {k: v for k, v in numbers.items() if isinstance(v, bool | int | float | str)}
    inside = {"parts": [_described(part) for part in parts]} if parts else {}
    return {"type": name, **found, **inside}


def _closed_over(function: Callable[..., Any]) -> dict[str, Any]:
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    if code is None or not cells:
        return {}
    return {n: c.cell_contents for n, c in zip(code.co_freevars, cells, strict=True)}


def _updates(value: Any) -> Iterator[Callable[..., Any]]:
    """The update functions in a value: of a transform, or of several in a row."""
    if is_transform(value):
        yield value.update
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _updates(part)
    elif callable(value) and getattr(value, "__name__", "").startswith("update"):
        yield value
