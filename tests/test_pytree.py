"""Our pytrees against those of `jax.tree_util.register_dataclass`, and what these confuse."""

from dataclasses import dataclass, make_dataclass
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from pptp_jax.objectives import ConfidencePenalty, Distillation, LabelSmoothing, Mixup
from pptp_jax.pytree import pytree


@dataclass(frozen=True)
class _Plain:
    rate: Any
    name: str = jax.tree.static(default="a")
    more: Any = None

    def __post_init__(self) -> None:
        if isinstance(self.rate, float) and self.rate < 0:
            raise ValueError("rate must not be negative")


@pytree
class Ours(_Plain):
    """Registered by us."""


@jax.tree_util.register_dataclass
class Theirs(_Plain):
    """Registered by JAX."""


def test_leaves_paths_and_checks_are_those_of_jax() -> None:
    for given in ((1.0,), (jnp.ones(3), "b", {"x": 2.0, "y": (3.0, None)})):
        ours, theirs = (kind(*given) for kind in (Ours, Theirs))
        own, other = (jax.tree_util.tree_flatten_with_path(one)[0] for one in (ours, theirs))
        assert [path for path, _ in own] == [path for path, _ in other]
        assert all(a is b for (_, a), (_, b) in zip(own, other, strict=True))
        again = jax.tree.map(lambda leaf: leaf, ours)
        assert type(again) is Ours and again.name == ours.name
    with pytest.raises(ValueError, match="must not be negative"):
        jax.tree.map(lambda leaf: -leaf, Ours(1.0))


def test_what_is_static_makes_another_structure() -> None:
    one, other = Ours(1.0, "a"), Ours(1.0, "b")
    assert jax.tree.structure(one) != jax.tree.structure(other)
    assert jax.tree.structure(one) == jax.tree.structure(Ours(2.0, "a"))


def test_jit_does_not_take_one_type_for_another() -> None:
    """With `register_dataclass` some answer with the number of another (jaxlib 0.10.2)."""
    kinds = [
        pytree(make_dataclass(f"Kind{number}", [("rate", Any)], frozen=True))
        for number in range(100)
    ]
    numbers = {kind: number for number, kind in enumerate(kinds)}
    answer = jax.jit(lambda one: jnp.float32(numbers[type(one)]) + 0 * one.rate)
    assert [float(answer(kind(1.0))) for kind in kinds] == list(range(100))


def test_objectives_of_one_number_have_structures_of_their_own() -> None:
    kinds = (
        LabelSmoothing(smoothing=0.5),
        ConfidencePenalty(weight=0.5),
        Distillation(),
        Mixup(alpha=0.5),
    )
    for one, other in combinations(map(jax.tree.structure, kinds), 2):
        assert one != other
