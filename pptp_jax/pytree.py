"""Register dataclasses as typed pytrees."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import jax

_T = TypeVar("_T")


def pytree(cls: type[_T]) -> type[_T]:
    """Registers a dataclass as a pytree, its fields but those of `jax.tree.static` as children.

    `jax.tree_util.register_dataclass` does so as well, but until jaxlib 0.10.2 at least, two
    structures of its dataclasses are equal if their fields are, whatever their types are. The cache
    of `jax.jit` then takes the program of one objective for that of another, now and then, as
    hashes collide.

    Args:
        cls: the dataclass, which must be frozen or never change while it is in use.

    Examples:
        >>> from dataclasses import dataclass
        >>> @pytree
        ... @dataclass(frozen=True)
        ... class Hot:
        ...     degrees: float
        >>> @pytree
        ... @dataclass(frozen=True)
        ... class Cold:
        ...     degrees: float
        >>> jax.tree.map(lambda degrees: 2 * degrees, Hot(1.0))
        Hot(degrees=2.0)
        >>> jax.tree.structure(Hot(1.0)) == jax.tree.structure(Cold(1.0))
        False
    """
    known: Any = cls
    static: list[str] = []
    children: list[str] = []
    for field in fields(known):
        (static if field.metadata.get("static", False) else children).append(field.name)
    keys = [jax.tree_util.GetAttrKey(name) for name in children]

    def settings(one: Any) -> tuple[Hashable, ...]:
        return tuple(getattr(one, name) for name in static)

    def flatten(one: Any) -> tuple[Sequence[Any], Hashable]:
        return [getattr(one, name) for name in children], settings(one)

    def flatten_with_keys(one: Any) -> tuple[Sequence[tuple[Any, Any]], Hashable]:
        values = (getattr(one, name) for name in children)
        return list(zip(keys, values, strict=True)), settings(one)

    def unflatten(own: Any, values: Iterable[Any]) -> Any:
        return known(**dict(zip((*static, *children), (*own, *values), strict=True)))

    jax.tree_util.register_pytree_with_keys(known, flatten_with_keys, unflatten, flatten)
    return cls
