"""Any training function as a fleet is what a Python loop over the models makes of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from pptp_jax.data import Arrays, Balanced, Digits
from pptp_jax.fleets import fleet
from pptp_jax.signals import collect
from pptp_jax.tasks import Classification
from pptp_jax.training import Strategy
from pptp_jax.validation import Refused

DATA = Arrays.of(Digits().load(examples=60))
SPLIT = Balanced(models=6).draw(60, seed=0)
KEYS = jax.random.split(jax.random.key(0), 6)


class Kept(NamedTuple):
    """A result of every kind."""

    weights: dict[str, Any]
    steps: Any
    converged: Any
    nothing: None


def train(key: Any, rows: Any) -> Kept:
    """Logistic regression by full gradients."""
    x, y = DATA.inputs(rows).reshape(len(rows), -1), jax.nn.one_hot(DATA.targets(rows), 10)

    def loss(w: Any) -> Any:
        return -(y * jax.nn.log_softmax(x @ w)).sum(axis=1).mean()

    w = 0.1 * jax.random.normal(key, (64, 10))
    w, losses = jax.lax.scan(lambda w, _: (w - 0.1 * jax.grad(loss)(w), loss(w)), w, length=5)
    return Kept({"w": w}, jnp.int32(5), losses[-1] < losses[0], None)


def loop() -> Any:
    own = [jax.jit(train)(key, rows) for key, rows in zip(KEYS, SPLIT.members, strict=True)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *own)


@pytest.mark.parametrize("chunk", [None, 1, 4, 9])
@pytest.mark.parametrize("order", ["vmap", "scan"])
def test_a_fleet_is_a_loop_over_models(chunk: int | None, order: Any) -> None:
    found = fleet(train, SPLIT.members, keys=KEYS, chunk=chunk, strategy=Strategy(order=order))
    chex.assert_trees_all_close(found, loop(), rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_equal_dtypes(found, loop())


def test_models_are_spread_over_devices() -> None:
    strategy = Strategy(order="vmap", devices=4)
    found = fleet(train, SPLIT.members, keys=KEYS, strategy=strategy)
    chex.assert_trees_all_close(found, loop(), rtol=1e-5, atol=1e-6)


WIDTHS: list[int] = []


@dataclass(frozen=True, kw_only=True)
class Watched(Strategy):
    """Notes how many models are put side by side."""

    def place(self, tree: Any, axis: int | None) -> Any:
        WIDTHS.append(len(jax.tree.leaves(tree)[0]))
        return super().place(tree, axis)


@pytest.fixture
def widths() -> Iterator[list[int]]:
    yield WIDTHS
    WIDTHS.clear()


def test_a_chunk_fits_the_memory(widths: list[int]) -> None:
    def heavy(key: Any, rows: Any) -> Any:
        noise = jax.random.normal(key, (1000, 300))
        return jnp.linalg.norm(noise @ noise.T)

    given = {"keys": KEYS, "strategy": Watched(order="vmap")}
    everything = fleet(heavy, SPLIT.members, **given, memory=1e12)
    assert set(widths) == {6}
    widths.clear()
    program = jax.jit(jax.vmap(heavy)).lower(KEYS, SPLIT.members).compile()
    half = program.memory_analysis().temp_size_in_bytes / 2
    np.testing.assert_allclose(fleet(heavy, SPLIT.members, **given, memory=half), everything, 1e-5)
    assert widths[0] == 6 and set(widths[1:]) <= {2, 3} and len(widths) > 2
    widths.clear()
    np.testing.assert_allclose(fleet(heavy, SPLIT.members, **given, memory=1), everything, 1e-5)
    assert set(widths[1:]) == {1}


def test_modules_of_nnx_give_signals_inside_of_the_fleet() -> None:
    task = Classification()

    def untrained(key: Any, rows: Any) -> Any:
        module = nnx.Linear(64, 10, rngs=nnx.Rngs(key))
        return collect(lambda x: module(x.reshape(len(x), -1)), DATA, task=task)

    found = fleet(untrained, SPLIT.members, keys=KEYS, chunk=4)
    module = nnx.Linear(64, 10, rngs=nnx.Rngs(KEYS[5]))
    logits = module(DATA.inputs(slice(None)).reshape(60, -1))
    np.testing.assert_allclose(found["logits"][5, 0], logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found["correct"][5, 0], logits.argmax(axis=1) == DATA.y)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"keys": KEYS[:5]}, r"keys of shape \(5,\)"),
        ({"keys": KEYS[0]}, r"keys of shape \(\)"),
        ({"keys": KEYS, "chunk": 0}, "chunk must be an integer of at least 1"),
    ],
)
def test_what_is_no_fleet_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        fleet(train, SPLIT.members, **given)
