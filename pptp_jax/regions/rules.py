"""The rules of a region map: a pattern on paths, a block, or a predicate."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from pptp_jax.validation import Refused

Predicate = Callable[[str, Any], bool]
Matcher = str | Predicate


class Block(NamedTuple):
    """An architectural unit: its name, and the pattern that its parameters' paths match."""

    name: str
    pattern: str


def glob(pattern: str) -> str:
    """The regular expression of a glob on paths, for a rule of a region map.

    `*` stands for any characters within a name, `?` for one of them, `**` for any characters
    across names; all others stand for themselves.

    Examples:
        >>> glob("stem/**"), glob("*/bias")
        ('stem/.*', '[^/]*/bias')
    """
    wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    return "".join(wild.get(part) or re.escape(part) for part in parts)


def matcher(rule: Matcher | Block) -> Matcher:
    """The form in which a region map keeps a rule.

    Raises:
        ValueError: if the rule is neither a regular expression, a block nor a predicate.
    """
    if isinstance(rule, Block):
        rule = rule.pattern
    if callable(rule):
        return rule
    if not isinstance(rule, str):
        raise Refused(
            "a rule is a regular expression, a Block or a predicate on (path, leaf), "
            f"got {rule!r} of type {type(rule).__name__}"
        )
    try:
        re.compile(rule)
    except re.error as error:
        raise Refused(f"the rule {rule!r} is not a regular expression: {error}") from error
    return rule


def matches(rule: Matcher, path: str, leaf: Any) -> bool:
    """Whether a rule holds for a leaf.

    Raises:
        ValueError: if a predicate asks for the leaf's values, or answers other than yes or no.
    """
    if isinstance(rule, str):
        return re.fullmatch(rule, path) is not None
    # Gradients take the place of parameters at every update, so a rule may know the shape alone.
    shape = jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) if hasattr(leaf, "dtype") else leaf
    try:
        answer = rule(path, shape)
    except Exception as error:  # whatever a user's predicate may raise
        raise Refused(
            f"the predicate {text(rule)} failed at {path}, where it was given {shape}: "
            f"{type(error).__name__}: {error}; "
            "a predicate may look at the path, the shape and the dtype"
        ) from error
    if not isinstance(answer, bool | np.bool_):
        raise Refused(
            f"the predicate {text(rule)} must answer True or False at {path}, got {answer!r} of "
            f"type {type(answer).__name__}: regions are static; for masks inside a leaf take a "
            "WeightMap"
        )
    return bool(answer)


def text(rule: Matcher) -> str:
    """A rule in an error message: the pattern, or the predicate's name."""
    return rule if isinstance(rule, str) else getattr(rule, "__qualname__", repr(rule))
