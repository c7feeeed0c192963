"""Noise that depends on an example's content alone, not on the model or its place."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, Shaped

# Inputs are distinguished up to this part of 1; a change of rounding is none.
_RESOLUTION = 4096


def content_key(inputs: Shaped[Array, "..."]) -> Key[Array, ""]:
    """A key that depends on the content of one example alone, whatever model and place it has.

    Args:
        inputs: the example; differences below 1/8192 do not count.

    Examples:
        >>> one, same = jnp.array([0.5, 0.25]), jnp.array([0.5, 0.25]) + 1e-6
        >>> bool(content_key(one) == content_key(same))
        True
        >>> bool(content_key(one) == content_key(one[::-1]))
        False
    """
    whole = jnp.round(inputs.astype(jnp.float32).reshape(-1) * _RESOLUTION).astype(jnp.int32)
    bits = jax.lax.bitcast_convert_type(whole, jnp.uint32)
    places = np.arange(1, len(bits) + 1, dtype=np.uint64)
    # Odd multipliers, so that no bit of an input is lost; one sum for each half of the key.
    key = jax.random.key(0)
    for multiplier in (2654435761, 2246822519):
        odd = np.uint32((places * multiplier % 2**32) | 1)
        key = jax.random.fold_in(key, (bits * odd).sum(dtype=jnp.uint32))
    return key
