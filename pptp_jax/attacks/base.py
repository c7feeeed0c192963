"""BASE: the Bayes-optimal attack, its expectation taken over the shadows.

References:
    Lassila et al., "Practical Bayes-Optimal Membership Inference Attacks", 2025,
    https://arxiv.org/abs/2505.24089
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.probabilities import LogProbability, references, target_and_shadows


def base_online(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """−ℓ(x; θ) − log mean_k exp(−ℓ(x; θ_k)), where IN and OUT shadows weigh alike.

    The plain mean over all shadows would give membership away in a balanced fleet that is attacked
    model by model, as `rmia_online` says.

    Args:
        evidence: with `log_prob` or φ.

    Returns:
        The scores, averaged over the queries.

    Raises:
        AttackUnavailable: with no IN or no OUT shadow for an example.

    Examples:
        >>> import numpy as np
        >>> phi = np.float32([[[4.0]], [[4.0]], [[-4.0]]])
        >>> membership = np.array([[True], [True], [False]])
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
        >>> print(base_online(held).round(3))
        [[0.675]]
    """
    kinds = [evidence.shadows_of("IN", at_least=1), evidence.shadows_of("OUT", at_least=1)]
    own, known = target_and_shadows(evidence, "softmax")
    return (own.log_p - references(known, kinds, jnp.asarray(evidence.target_among_shadows))).mean(
        axis=1
    )


def base_offline(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The same with the mean over OUT shadows alone.

    The logarithm of a mean of n values of variance v and mean m lies v/(2nm²) too low on average.
    This is made up for: members and non-members of a target differ in n.

    Args:
        evidence: with `log_prob` or φ.

    Returns:
        The scores, averaged over the queries.

    Raises:
        AttackUnavailable: with no OUT shadow for an example.

    Examples:
        >>> import numpy as np
        >>> phi = np.float32([[[4.0]], [[0.0]]])
        >>> membership = np.array([[True], [False]])
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
        >>> print(base_offline(held).round(3))
        [[0.675]]
    """
    outside, itself = (
        evidence.shadows_of("OUT", at_least=1),
        jnp.asarray(evidence.target_among_shadows),
    )
    own, known = target_and_shadows(evidence, "softmax")
    mean = references(known, [outside], itself)
    log_q = None if known.log_q is None else known.log_q + jnp.log1p(jnp.exp(known.log_p))
    squares = LogProbability(2 * known.log_p, log_q)
    # 1 + v/m², from n values.
    ratio = jnp.exp(references(squares, [outside], itself) - 2 * mean)
    left_out = (outside[itself] & (itself >= 0)[:, None]).astype(jnp.int32)
    freedom = jnp.maximum(outside.sum(axis=0)[None] - left_out - 1, 1).astype(mean.dtype)
    return (own.log_p - mean - (ratio - 1) / (2 * freedom[:, None])).mean(axis=1)
