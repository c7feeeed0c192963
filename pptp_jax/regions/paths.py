"""Names for the leaves of any pytree."""

from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import PyTree

from pptp_jax.validation import Refused


def path_name(path: tuple[Any, ...]) -> str:
    """The name of a key path: `stem/kernel`, whatever kinds of node lie on the way.

    Flax boxes parameters (`nnx.Param`, `nn.Partitioned`); the attribute `value` in which a box
    holds its array is no part of the name, so that one rule serves Linen and NNX.
    """
    if len(path) > 1 and path[-1] == jax.tree_util.GetAttrKey("value"):
        path = path[:-1]
    return jax.tree_util.keystr(path, simple=True, separator="/")


def paths(tree: PyTree) -> list[str]:
    """The paths of a tree's leaves, in the order of `jax.tree.leaves`.

    Args:
        tree: any pytree: nested dicts, Linen or Haiku parameters, an `nnx.State`, an Equinox
            module.

    Returns:
        One name a leaf; None and `optax.MaskedNode` are no leaves.

    Examples:
        >>> paths({"head": {"kernel": 1.0, "bias": 0.0}})
        ['head/bias', 'head/kernel']
    """
    return [path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]


def positions(tree: PyTree) -> list[tuple[str, Any]]:
    """The paths and leaves of a tree, and the places where an outer mask has taken a leaf away."""
    return [
        (path_name(path), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_absent)
    ]


def is_absent(leaf: Any) -> bool:
    """Whether a leaf has been masked out, by optax (`MaskedNode`) or by Equinox (None)."""
    return leaf is None or isinstance(leaf, optax.MaskedNode)


def align(tree: PyTree, **others: Any) -> PyTree:
    """The tree of `tree` with the leaves that another tree has at the same paths.

    The other tree may have more leaves: an inner transform of `optax.masked` sees a part of the
    tree, but extra arguments and masks in full.

    Args:
        tree: gives the structure and the shapes.
        **others: one tree, under the name that errors call it.

    Raises:
        ValueError: if the other tree lacks a leaf, or has one of another shape.

    Examples:
        >>> align({"w": 1.0}, scores={"w": 5.0, "more": 7.0})
        {'w': 5.0}
        >>> align({"w": 1.0}, scores={"v": 5.0})
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: scores has no leaf at w; its leaves are v
    """
    ((name, other),) = others.items()
    found = dict(positions(other))
    names = paths(tree)
    missing = [path for path in names if is_absent(found.get(path))]
    if missing:
        raise Refused(
            f"{name} has no leaf at {', '.join(missing)}; its leaves are {', '.join(paths(other))}"
        )
    for path, leaf in zip(names, jax.tree.leaves(tree), strict=True):
        expected, shape = np.shape(leaf), np.shape(found[path])
        if shape != expected:
            raise Refused(f"{name} has shape {shape} at {path}, where {expected} is needed")
    return jax.tree.unflatten(jax.tree.structure(tree), [found[path] for path in names])
