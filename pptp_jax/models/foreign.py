"""Helpers for models of other libraries: names of parts, and a record."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pptp_jax.models.model import Mode
from pptp_jax.regions import Block
from pptp_jax.validation import one_of


def part(tree: Any, path: str) -> Any:
    """The part at a path such as `layers/0` in a module.

    Examples:
        >>> part({"layers": [5, 6]}, "layers/1")
        6
    """
    for name in path.split("/"):
        if isinstance(tree, Mapping):
            tree = tree[name]
        else:
            tree = tree[int(name)] if name.isdigit() else getattr(tree, name)
    return tree


def as_blocks(paths: Sequence[str]) -> tuple[Block, ...]:
    """The parts at these paths as blocks, in this order.

    Examples:
        >>> as_blocks(["layers/0"])
        (Block(name='layers/0', pattern='layers/0/.*'),)
    """
    return tuple(Block(path, f"{re.escape(path)}/.*") for path in paths)


def parts_learning(train: Mode, paths: Sequence[str]) -> tuple[str, ...]:
    """The paths of the blocks in training mode, where only some of them are.

    Raises:
        ValueError: if `train` names what is no block.
    """
    if isinstance(train, bool):
        return ()
    for name in train:
        one_of(paths, train=name)
    return train


def record(library: str, make: Callable[..., Any], config: Mapping[str, Any] | None) -> Any:
    """The record of a model as plain data: its user's, or the function and its arguments.

    Args:
        library: the name of the function that wraps the model.
        make: builds the module; of a `functools.partial` the arguments are recorded.
        config: what the user says it is; None derives it.

    Examples:
        >>> record("from_nnx", partial(dict, width=8), None)
        {'name': 'from_nnx', 'make': 'dict', 'width': 8}
    """
    if config is not None:
        return dict(config)
    arguments: dict[str, Any] = {}
    if isinstance(make, partial):
        arguments = {f"argument {i}": value for i, value in enumerate(make.args)} | make.keywords
        make = make.func
    name = getattr(make, "__qualname__", type(make).__qualname__)
    return {"name": library, "make": name, **arguments}
