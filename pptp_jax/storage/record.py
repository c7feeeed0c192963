"""Configurations as plain data, for records and hashes."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pptp_jax.storage.transform_record import describe_transform, is_transform
from pptp_jax.validation import python_number


def describe(thing: Any) -> Any:
    """A configuration as plain data: what JSON can hold.

    What has a `config` of its own, as models do, is described by that; an optax transform by its
    parts.

    Examples:
        >>> from pptp_jax.data import Balanced
        >>> describe(Balanced(models=4))
        {'type': 'Balanced', 'models': 4}
    """
    config = getattr(thing, "config", None)
    if isinstance(config, Mapping):
        return {name: describe(value) for name, value in config.items()} or {
            "type": type(thing).__name__
        }
    if is_dataclass(thing) and not isinstance(thing, type):
        parts = {f.name: describe(getattr(thing, f.name)) for f in fields(thing)}
        return {"type": type(thing).__name__, **parts}
    if is_transform(thing):
        return describe_transform(thing)
    if isinstance(thing, Mapping):
        return {str(key): describe(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [describe(part) for part in thing]
    thing = python_number(thing)
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    return getattr(thing, "__qualname__", type(thing).__qualname__)
