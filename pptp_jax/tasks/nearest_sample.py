"""How far an example is from the nearest of some samples."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def nearest(
    inputs: Float[Array, "batch ..."], samples: Float[Array, "samples ..."]
) -> Float[Array, " batch"]:
    """The root mean squared difference of each example to the nearest of the samples.

    Args:
        inputs: examples.
        samples: others.

    Examples:
        >>> print(nearest(jnp.array([[0.0, 0.0], [3.0, 3.0]]), jnp.array([[1.0, 1.0]])))
        [1. 2.]
    """
    x, made = (a.reshape(len(a), -1) for a in (inputs, samples))
    squares = (x * x).sum(1)[:, None] - 2 * x @ made.T + (made * made).sum(1)[None]
    # The root of 0 has no slope.
    return jnp.sqrt(jnp.maximum(squares.min(axis=1) / x.shape[1], 1e-12))
