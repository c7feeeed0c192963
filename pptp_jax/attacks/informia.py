"""InfoRMIA: the information gain on an example, compared with that on a population.

References:
    Tao and Shokri, "(Token-Level) InfoRMIA: Stronger Membership Inference and Memorization
    Assessment for LLMs", 2025, https://arxiv.org/abs/2510.05582
"""

import numpy as np
from jaxtyping import Array, Float

from pptp_jax.attacks.base import base_online
from pptp_jax.attacks.evidence import Evidence


def informia(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The sum of log p(x | θ)/p(x) and KL(p(z) ‖ p(z | θ)) over a population z.

    The divergence is estimated by minus the mean log-ratio of the examples z, and p(x) is that of
    RMIA: half the mean over IN and half that over OUT shadows. Within one target the divergence is
    the same for all examples, so this ranks as BASE does; it differs where targets are pooled.

    Args:
        evidence: with `log_prob` or φ; the examples z are its population.

    Returns:
        The scores, averaged over the queries.

    Raises:
        AttackUnavailable: with no IN or no OUT shadow for an example.

    Examples:
        >>> phi = np.float32([[[4.0, 0.0]], [[4.0, 0.0]], [[-4.0, 0.0]]])
        >>> membership = np.array([[True, False], [True, False], [False, True]])
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
        >>> print(informia(held).round(3))
        [[ 0.337 -0.337]]
    """
    ratio = base_online(evidence)
    mask = evidence.population
    known = ratio if mask is None else ratio[:, np.flatnonzero(mask)]
    return ratio - known.mean(axis=1, keepdims=True)
