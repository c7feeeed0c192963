"""Check a frozen config's fields against their annotated types."""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pptp_jax.validation import Refused, python_number

_CALLED = {int: "an integer", float: "a number", bool: "True or False", str: "a word"}
_NUMBERS = {int: Integral, float: Real}


def check_fields(config: Any, within: str = "") -> None:
    """Refuses a field whose value is not of its annotated type, in a config and in its parts.

    Annotations that cannot be checked, such as type variables, let everything pass.

    Args:
        config: a dataclass.
        within: what its fields are called after: `optimizer.` for those of an optimizer.

    Raises:
        ValueError: naming the field and its type.

    Examples:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Split:
        ...     models: int
        >>> check_fields(Split(models="8"))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: models must be an integer, got '8'
    """
    kind: type = type(config)
    hints = _hints(kind)
    for field in fields(config):
        name, value = within + field.name, getattr(config, field.name)
        if not _is(value, hints.get(field.name, Any)):
            raise Refused(f"{name} must be {_called(hints[field.name])}, got {_shown(value)}")
        for number, part in enumerate(value if isinstance(value, tuple | list) else (value,)):
            if is_dataclass(part) and not isinstance(part, type):
                place = f"{name}." if part is value else f"{name}[{number}]."
                check_fields(part, place)


@cache
def _hints(kind: type) -> dict[str, Any]:
    try:
        return get_type_hints(kind)
    except NameError:  # of a user's class, whose annotations are known to a type checker alone
        return {}


def _is(value: Any, kind: Any) -> bool:
    origin, given = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_is(value, choice) for choice in given)
    if origin is Literal:
        return isinstance(value, str) and value in given
    if isinstance(value, type):  # a class where one of its instances belongs
        return False
    if origin in (tuple, list, Sequence):
        return isinstance(value, tuple | list) and all(_is(part, given[0]) for part in value)
    if origin is Mapping:
        pairs = value.items() if isinstance(value, Mapping) else ((None, None),)
        return all(_is(key, given[0]) and _is(part, given[1]) for key, part in pairs)
    if origin is Callable:
        return callable(value)
    if kind in _NUMBERS:
        number = python_number(value)
        return isinstance(number, _NUMBERS[kind]) and not isinstance(number, bool)
    checkable = isinstance(kind, type) and getattr(kind, "_is_runtime_protocol", True)
    return not checkable or isinstance(value, kind)


def _called(kind: Any) -> str:
    given = get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_called, given)))
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, given))
    if get_origin(kind) in (tuple, list, Sequence):
        return f"a tuple, each part of it {_called(given[0])}"
    if get_origin(kind) is Mapping:
        return f"a dict from {_called(given[0])} to {_called(given[1])}"
    if get_origin(kind) is Callable:
        return "a function"
    if kind is type(None):
        return "None"
    name = str(getattr(kind, "__name__", kind))
    return _CALLED.get(kind, "an array" if "[" in name else name)


def _shown(value: Any) -> str:
    """A value in an error message; of one without words of its own, its type."""
    plain = value is None or isinstance(value, bool | int | float | complex | str | bytes)
    if isinstance(value, int) and abs(value) > 10**20:
        return "a number of more than 20 digits"
    if plain or (isinstance(value, tuple | list) and all(isinstance(p, str) for p in value)):
        return repr(value)[:80]
    return value.__name__ if isinstance(value, type) else f"a {type(value).__name__}"
