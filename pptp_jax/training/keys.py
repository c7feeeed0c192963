"""The random keys of a training, all derived from the model's key and all different.

Splitting a key folds in 0, 1, 2, ..., so what is split must have been folded with a number of its
own before.
"""

import jax
from jaxtyping import Array, Int, Key

# The epochs' numbers stay below.
_BEGINNING, _ENSEMBLE, _FORK, _CLIENTS = 2**31, 2**31 + 1, 2**31 + 2, 2**31 + 3


def initial_key(key: Key[Array, ""]) -> Key[Array, ""]:
    """The key of the initial values, the same in every phase."""
    return jax.random.fold_in(key, 0)


def order_key(key: Key[Array, ""], number: Int[Array, ""]) -> Key[Array, ""]:
    """The key of the order of an epoch's examples, by its number in the entire recipe, from 0."""
    return jax.random.split(_epoch_key(key, number))[0]


def noise_key(key: Key[Array, ""], number: int | Int[Array, ""]) -> Key[Array, ""]:
    """The key of an epoch's random draws: each step folds its number in."""
    return jax.random.split(_epoch_key(key, number))[1]


def beginning_key(key: Key[Array, ""]) -> Key[Array, ""]:
    """The key of a phase's draws at its start, besides initial values."""
    return jax.random.fold_in(key, _BEGINNING)


def ensemble_keys(key: Key[Array, ""], models: int) -> Key[Array, " models"]:
    """A key for each sub-model of an ensemble, which is a model's own key to it."""
    return jax.random.split(jax.random.fold_in(key, _ENSEMBLE), models)


def fork_keys(key: Key[Array, ""], parts: int) -> Key[Array, " parts"]:
    """A key for each copy of a fork, which is a model's own key to it."""
    return jax.random.split(jax.random.fold_in(key, _FORK), parts)


def client_keys(key: Key[Array, ""], clients: int) -> Key[Array, " clients"]:
    """A key for each client of a federation, which folds the number of the round in."""
    return jax.random.split(jax.random.fold_in(key, _CLIENTS), clients)


def _epoch_key(key: Key[Array, ""], number: int | Int[Array, ""]) -> Key[Array, ""]:
    return jax.random.fold_in(key, number + 1)
