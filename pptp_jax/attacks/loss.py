"""The attack by the loss alone: no shadows."""

from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.query_mean import goodness_of_fit


def loss(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """−ℓ, the negated loss of the target: its log-likelihood, averaged over the queries.

    That of a label is given as the φ of this loss, log(exp(−ℓ)/(1 − exp(−ℓ))): it ranks alike, and
    tells apart losses that are too small for float32.

    Args:
        evidence: with `log_prob`, or φ, from which it follows.

    Returns:
        The scores; for labels and one query φ itself.

    References:
        Yeom et al., "Privacy Risk in Machine Learning", 2018, https://arxiv.org/abs/1709.01604

    Examples:
        >>> import numpy as np
        >>> phi, membership = np.float32([[[0.5, 150.0, 200.0]]]), np.array([[True, False, True]])
        >>> print(loss(Evidence.leave_one_out({"confidence": phi}, membership)))
        [[  0.5 150.  200. ]]
    """
    return goodness_of_fit(evidence)
