"""The attack by the loss alone: no shadows."""

import jax
from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence


def loss(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The negated cross-entropy of the target, averaged over the queries.

    Args:
        evidence: with φ.

    Returns:
        −ℓ = −softplus(−φ).

    References:
        Yeom et al., "Privacy Risk in Machine Learning", 2018, https://arxiv.org/abs/1709.01604

    Examples:
        >>> import numpy as np
        >>> phi, membership = np.zeros((1, 1, 1), np.float32), np.array([[True]])
        >>> print(loss(Evidence(signals={"confidence": phi}, membership=membership)))
        [[-0.6931472]]
    """
    return -jax.nn.softplus(-evidence.own("confidence")).mean(axis=1)
