"""BASE: the Bayes-optimal attack, its expectation taken over the shadows.

References:
    Lassila et al., "Practical Bayes-Optimal Membership Inference Attacks", 2025,
    https://arxiv.org/abs/2505.24089
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.probabilities import own_and_known, references


def base_online(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """−ℓ(x; θ) − log mean_k exp(−ℓ(x; θ_k)), where IN and OUT shadows weigh alike.

    The plain mean over all shadows would give membership away in a balanced fleet that is attacked
    model by model, as `rmia_online` says.

    Args:
        evidence: with φ.

    Returns:
        The scores, averaged over the queries.

    Raises:
        ValueError: with no IN or no OUT shadow for an example.

    Examples:
        >>> import numpy as np
        >>> phi = np.float32([[[4.0]], [[4.0]], [[-4.0]]])
        >>> membership = np.array([[True], [True], [False]])
        >>> held = Evidence(signals={"confidence": phi}, membership=membership, targets=[0])
        >>> print(base_online(held).round(3))
        [[0.675]]
    """
    kinds = [evidence.shadows_of("IN", at_least=1), evidence.shadows_of("OUT", at_least=1)]
    own, known = own_and_known(evidence, "softmax")
    return (own.log_p - references(known, kinds, jnp.asarray(evidence.itself))).mean(axis=1)


def base_offline(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The same with the mean over OUT shadows alone.

    Args:
        evidence: with φ.

    Returns:
        The scores, averaged over the queries.

    Raises:
        ValueError: with no OUT shadow for an example.

    Examples:
        >>> import numpy as np
        >>> phi = np.float32([[[4.0]], [[0.0]]])
        >>> membership = np.array([[True], [False]])
        >>> held = Evidence(signals={"confidence": phi}, membership=membership, targets=[0])
        >>> print(base_offline(held).round(3))
        [[0.675]]
    """
    outside = evidence.shadows_of("OUT", at_least=1)
    own, known = own_and_known(evidence, "softmax")
    return (own.log_p - references(known, [outside], jnp.asarray(evidence.itself))).mean(axis=1)
