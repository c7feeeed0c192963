"""A frozen config's fields are of the types that they are annotated with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from pptp_jax.validation.field_types import check_fields


class Quiet(Protocol):
    def hush(self) -> None: ...


@dataclass(frozen=True)
class Part:
    rate: float | Float[Array, ""] = 0.1


@dataclass(frozen=True)
class Config:
    count: int = 1
    share: float = 0.5
    on: bool = False
    name: str = "mine"
    either: int | None = None
    kind: Literal["a", "b"] = "a"
    many: tuple[int, ...] = (1, 2)
    words: Sequence[str] = ("x",)
    by_name: Mapping[str, int] = field(default_factory=dict)
    make: Callable[[int], int] = abs
    part: Part = Part()
    parts: tuple[Part, ...] = (Part(),)
    quiet: Quiet | None = None
    anything: Any = None


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"share": 1, "either": 3, "kind": "b", "many": [], "words": ["a", "b"]},
        {"share": np.float64(0.5), "by_name": {"a": 1}, "make": lambda n: n, "anything": object()},
        {"part": Part(jnp.float32(0.1)), "quiet": 3},
        {"count": np.int64(3), "share": np.float32(0.5), "many": [np.uint8(1), np.array(3)]},
    ],
)
def test_values_of_their_types_pass(good: dict[str, Any]) -> None:
    check_fields(Config(**good))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"count": "1"}, "count must be an integer, got '1'"),
        ({"count": 1.0}, "count must be an integer, got 1.0"),
        ({"count": True}, "count must be an integer, got True"),
        ({"count": np.float32(3)}, "count must be an integer, got a float32"),
        ({"count": np.ones(1, int)}, "count must be an integer, got a ndarray"),
        ({"count": None}, "count must be an integer, got None"),
        ({"share": "half"}, "share must be a number, got 'half'"),
        ({"on": 1}, "on must be True or False, got 1"),
        ({"name": b"x"}, "name must be a word, got b'x'"),
        ({"either": "no"}, "either must be an integer or None, got 'no'"),
        ({"kind": "c"}, "kind must be 'a' or 'b', got 'c'"),
        ({"many": 3}, "many must be a tuple, each part of it an integer, got 3"),
        ({"many": (1, "x")}, "many must be a tuple, each part of it an integer, got a tuple"),
        ({"words": "abc"}, "words must be a tuple, each part of it a word, got 'abc'"),
        ({"by_name": {1: 1}}, "by_name must be a dict from a word to an integer, got a dict"),
        ({"make": 3}, "make must be a function, got 3"),
        ({"part": None}, "part must be Part, got None"),
        ({"part": Part}, "part must be Part, got Part"),
        ({"part": Part("fast")}, "part.rate must be a number or an array, got 'fast'"),
        ({"parts": (Part(), Part("fast"))}, r"parts\[1\].rate must be a number or an array"),
    ],
)
def test_a_value_of_another_type_is_refused(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_fields(Config(**bad))


def test_what_is_being_traced_passes() -> None:
    def traced(rate: jax.Array) -> jax.Array:
        check_fields(Part(rate))
        return rate

    assert jax.vmap(traced)(jnp.ones(2)).shape == (2,)
