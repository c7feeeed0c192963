"""φ, the signal that most attacks look at."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def logit_scaled_confidence(
    logits: Float[Array, "*batch classes"], labels: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """φ = z_y − log Σ_{y'≠y} exp z_y', the log-odds of the label, without cancellation.

    The label's probability is sigmoid(φ) and its loss softplus(−φ), so φ carries them all, and to
    full precision where a probability would have been rounded to 1.

    References:
        Carlini et al., "Membership Inference Attacks From First Principles", 2022,
        https://arxiv.org/abs/2112.03570

    Examples:
        >>> print(logit_scaled_confidence(jnp.array([50.0, 0.0]), jnp.array(0)))
        50.0
    """
    label = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
    others = jax.nn.logsumexp(jnp.where(label, -jnp.inf, logits), axis=-1)
    return jnp.where(label, logits, 0).sum(-1) - others
