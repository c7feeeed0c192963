"""The attack by the loss alone: no shadows."""

import jax
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.shadows import shadows_of


def loss(
    signals: Float[Array, "models queries examples"],
    membership: Bool[Array, "models examples"],
    target: Int[Array, ""] | int,
) -> Float[Array, " examples"]:
    """The negated cross-entropy of the target, averaged over the queries.

    Args:
        signals: φ.
        membership: who trained on what; not looked at.
        target: the model under attack.

    Returns:
        −ℓ = −softplus(−φ).

    References:
        Yeom et al., "Privacy Risk in Machine Learning", 2018, https://arxiv.org/abs/1709.01604

    Examples:
        >>> import jax.numpy as jnp
        >>> print(loss(jnp.zeros((1, 1, 1)), jnp.array([[True]]), 0))
        [-0.6931472]
    """
    shadows_of(signals, membership, target, inside=0, outside=0)
    return -jax.nn.softplus(-signals[target]).mean(axis=0)
