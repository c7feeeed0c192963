"""One random key a parameter, from the key of the step."""

import hashlib
from typing import Any

import jax
import jax.numpy as jnp

from pptp_jax.regions import paths


def leaf_keys(key: jax.Array | None, tree: Any, stream: str) -> Any:
    """A tree of keys: `key` folded with a transform's name and each leaf's path.

    A parameter keeps its key when others join or leave the tree, a model draws the same numbers
    alone and in a fleet, and two transforms of one chain draw independently. Two names meet with a
    probability of 2⁻⁶⁴: noise that two parameters shared could be subtracted away.

    Args:
        key: one typed key, new in each step; under `jax.vmap` one a model.
        tree: any pytree.
        stream: the transform's name.

    Raises:
        ValueError: if there is no key, or it is not one typed key.

    Examples:
        >>> keys = leaf_keys(jax.random.key(0), {"a": 0.0, "b": 0.0}, "noise")
        >>> bool(keys["a"] == keys["b"])
        False
    """
    wanted = f"{stream} needs key=, one typed key such as jax.random.key(0), new in each step"
    if key is None:
        raise ValueError(f"{wanted}; got none")
    if not jnp.issubdtype(jnp.result_type(key), jax.dtypes.prng_key) or key.shape:
        raise ValueError(f"{wanted}; got {jnp.result_type(key)} of shape {jnp.shape(key)}")
    keys = []
    for path in paths(tree):
        digest = hashlib.blake2b(f"{stream}:{path}".encode(), digest_size=8).digest()
        own = key
        for half in (digest[:4], digest[4:]):
            own = jax.random.fold_in(own, int.from_bytes(half))
        keys.append(own)
    return jax.tree.unflatten(jax.tree.structure(tree), keys)
