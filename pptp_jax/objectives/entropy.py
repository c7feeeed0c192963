"""The entropy of a network's answers, which several objectives raise."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def entropies(logits: Float[Array, "batch classes"]) -> Float[Array, " batch"]:
    """H(softmax(z)) of each row, in nats.

    Examples:
        >>> import jax.numpy as jnp
        >>> print(entropies(jnp.zeros((1, 2))))
        [0.6931472]
    """
    log_p = jax.nn.log_softmax(logits)
    return -(jnp.exp(log_p) * log_p).sum(-1)
