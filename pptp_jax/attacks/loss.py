"""The attack by the loss alone: no shadows."""

from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.joined import mean_loss


def loss(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The negated cross-entropy ℓ of the target, averaged over the queries.

    It is given as the φ of this loss, log(exp(−ℓ)/(1 − exp(−ℓ))): that ranks alike, and tells apart
    losses that are too small for float32.

    Args:
        evidence: with φ.

    Returns:
        The φ whose loss is the mean loss: φ itself where there is one query.

    References:
        Yeom et al., "Privacy Risk in Machine Learning", 2018, https://arxiv.org/abs/1709.01604

    Examples:
        >>> import numpy as np
        >>> phi, membership = np.float32([[[0.5, 150.0, 200.0]]]), np.array([[True, False, True]])
        >>> print(loss(Evidence(signals={"confidence": phi}, membership=membership)))
        [[  0.5 150.  200. ]]
    """
    return mean_loss(evidence.own("confidence"))
