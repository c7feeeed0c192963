"""Keys for random transforms: one a step from the caller, one a leaf from it."""

import hashlib
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from pptp_jax.validation import Refused


def leaf_keys(key: jax.Array | None, tree: PyTree, stream: str) -> PyTree:
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
    placed, structure = jax.tree_util.tree_flatten_with_path(tree)
    words = [_words(f"{stream}:{jax.tree_util.keystr(path)}") for path, _ in placed]
    # All leaves at once: a network of hundreds of leaves compiles two hashes, not hundreds.
    keys = jax.vmap(partial(_fold_in, key))(jnp.array(words, jnp.uint32).reshape(-1, 2))
    return jax.tree.unflatten(structure, [keys[i] for i in range(len(placed))])


def step_key(key: jax.Array | None, stream: str) -> jax.Array:
    """The key of a step, checked.

    Raises:
        ValueError: if it is missing, has no key type, or is a batch of keys.
    """
    wanted = f"{stream} needs key=, one typed key such as jax.random.key(0), new in each step"
    if key is None:
        raise Refused(f"{wanted}; got none")
    if not jnp.issubdtype(jnp.result_type(key), jax.dtypes.prng_key):
        raise Refused(
            f"{wanted}; got {jnp.result_type(key)} of shape {jnp.shape(key)}, "
            "which jax.random.wrap_key_data makes typed if it is the data of a key"
        )
    if key.shape:
        raise Refused(f"{wanted}; got keys of shape {key.shape}: map the update with jax.vmap")
    return key


def fold_in_name(key: jax.Array, name: str) -> jax.Array:
    """A key for a name."""
    return _fold_in(key, jnp.array(_words(name), jnp.uint32))


def _fold_in(key: jax.Array, words: jax.Array) -> jax.Array:
    return jax.random.fold_in(jax.random.fold_in(key, words[0]), words[1])


def _words(name: str) -> tuple[int, int]:
    # 64 bits, so that no two names of a network meet.
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:], "big")
