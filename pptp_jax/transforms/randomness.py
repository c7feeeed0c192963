"""Keys for random transforms: one a step from the caller, one a leaf from it."""

import hashlib
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key


def leaf_keys(key: Key[Array, ""] | None, tree: Any, stream: str) -> Any:
    """A tree of keys, one a leaf, that depend on the step's key, the stream and the leaf's path.

    A leaf's key does not depend on the other leaves: masking some of them changes nothing for the
    rest. Two transforms draw independently from one key because their streams differ.

    Args:
        key: the step's key.
        tree: gives the structure.
        stream: the name of the transform, or another where one chain has two of a kind.

    Raises:
        ValueError: if the key is missing, has no key type, or is a batch of keys.
    """
    key = step_key(key, stream)
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    return jax.tree.unflatten(
        structure, [fold_in_name(key, f"{stream}:{jax.tree_util.keystr(p)}") for p, _ in leaves]
    )


def step_key(key: Key[Array, ""] | None, stream: str) -> Key[Array, ""]:
    """The key of a step, checked.

    Raises:
        ValueError: if it is missing, has no key type, or is a batch of keys.
    """
    if key is None:
        raise ValueError(
            f"{stream} is random: give each step its own key, "
            "tx.update(grads, state, params, key=jax.random.fold_in(key, step)); got none"
        )
    if not (hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)):
        raise ValueError(
            f"{stream} takes a typed key, as jax.random.key makes it, got {key!r}; "
            "jax.random.wrap_key_data turns raw key data into one"
        )
    if key.shape:
        raise ValueError(
            f"{stream} takes one key a step, got {key.shape} keys; map the update over them "
            "with jax.vmap"
        )
    return key


def fold_in_name(key: Key[Array, ""], name: str) -> Key[Array, ""]:
    """A key for a name: 64 bits of its hash, so that no two names of a network meet."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    for half in (digest[:4], digest[4:]):
        key = jax.random.fold_in(key, int.from_bytes(half))
    return key
