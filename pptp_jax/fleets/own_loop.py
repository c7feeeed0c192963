"""Train a fleet by your own training function, mapped over as many models as fit the memory."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from pptp_jax.training import Strategy, usual_strategy
from pptp_jax.training.memory import memory_for_models
from pptp_jax.validation import Refused, at_least

T = TypeVar("T")


def fleet(
    train: Callable[[Key[Array, ""], Int[Array, " members"]], T],
    members: Int[np.ndarray, "models members"],
    *,
    keys: Key[Array, " models"],
    chunk: int | None = None,
    strategy: Strategy | None = None,
    memory: float | None = None,
) -> T:
    """Trains models by your own function, in chunks that fit the memory.

    Args:
        train: `train(key, rows)`, a pure function of JAX from a model's key and the rows of its
            members to any pytree of arrays: signals, weights, losses. It is compiled once for each
            width of a chunk.
        members: each model's rows.
        keys: a key for each model.
        chunk: how many models are trained side by side; None trains as many as the memory fits by
            what the compiler says that the program needs.
        strategy: how a chunk is executed; None is `usual_strategy()`.
        memory: the bytes that the models may take; None is half of the device's.

    Returns:
        What `train` returns, as NumPy arrays with a leading axis of models.

    Raises:
        ValueError: if there are not as many keys as models, or no models.

    Examples:
        >>> def train(key, rows):
        ...     return {"drawn": jax.random.normal(key, (3,)), "largest": rows.max()}
        >>> members = np.array([[0, 1], [2, 3], [4, 5]])
        >>> found = fleet(train, members, keys=jax.random.split(jax.random.key(0), 3), chunk=2)
        >>> found["drawn"].shape, found["largest"].tolist()
        ((3, 3), [1, 3, 5])
    """
    models = len(members)
    if np.ndim(members) != 2 or jnp.shape(keys) != (models,):
        raise Refused(
            f"a fleet needs members of shape (models, members) and a key for each model; got "
            f"members of shape {np.shape(members)} and keys of shape {jnp.shape(keys)}"
        )
    at_least(1, **{"the number of models": models})
    strategy = usual_strategy() if strategy is None else strategy
    mapped = jax.jit(strategy.over_models(train, (0, 0)))

    def some(start: int, size: int) -> Any:
        """The arguments of a chunk; a smaller one is filled up with copies of the last model."""
        rows = np.minimum(np.arange(start, start + size), models - 1)
        return strategy.place((keys[rows], jnp.asarray(np.asarray(members)[rows])), 0)

    size = strategy.filled(models)
    if chunk is not None:
        at_least(1, chunk=chunk)
        size = strategy.filled(min(chunk, models))
    program = mapped.lower(*some(0, size)).compile()
    if chunk is None:
        limit = memory_for_models() if memory is None else memory
        fitting = strategy.filled(max(1, int(size * limit / max(1, _needed(program)))))
        if fitting < size:
            size = fitting
            program = mapped.lower(*some(0, size)).compile()

    def trained(start: int) -> Any:
        own = strategy.here(program(*some(start, size)))
        return jax.tree.map(lambda leaf: np.asarray(leaf)[: models - start], own)

    found = [trained(start) for start in range(0, models, size)]
    return jax.tree.map(lambda *parts: np.concatenate(parts), *found)


def _needed(program: Any) -> int:
    """The bytes that a compiled program takes besides its arguments; 0 if unknown."""
    seen = program.memory_analysis()
    return 0 if seen is None else seen.temp_size_in_bytes + seen.output_size_in_bytes
