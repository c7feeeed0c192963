"""Means over several queries, as one φ that does not saturate.

The loss of an example that a network is sure of, and 1 less its probability, fall below what
float32 tells from 0 from φ = 104 and φ = 17 on, where φ itself still ranks examples.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence


def goodness_of_fit(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The fit of the targets to each example: its log-likelihood, averaged over the queries.

    Args:
        evidence: with `log_prob`; or with φ, and then as the φ of the mean loss.

    Examples:
        >>> import numpy as np
        >>> held = Evidence.leave_one_out({"log_prob": np.array([[-3.0]])}, np.array([[True]]))
        >>> print(goodness_of_fit(held))
        [[-3.]]
    """
    signal = evidence.target_signal(evidence.log_prob_order)
    return mean_loss(signal) if evidence.log_prob_order == "confidence" else signal.mean(axis=1)


def mean_loss(phi: Float[Array, "models queries examples"]) -> Float[Array, "models examples"]:
    """The φ whose loss is the mean loss of the queries; it ranks as −ℓ does.

    Examples:
        >>> print(mean_loss(jnp.array([[[2.0, 200.0]], [[-3.0, 1e37]]])))
        [[ 2.e+00  2.e+02]
         [-3.e+00  1.e+37]]
        >>> found = mean_loss(jnp.array([[[2.0], [0.0]]]))
        >>> print(jax.nn.softplus(-found).round(4), jax.nn.softplus(-jnp.array([2.0, 0.0])).mean())
        [[0.41]] 0.41003758
    """
    if phi.shape[1] == 1:
        return phi[:, 0]
    loss = jax.nn.softplus(-phi)
    mean = loss.mean(axis=1)
    # ℓ is next to exp(−φ) from far above 0 on, where float32 soon takes it for 0.
    log_mean = _log_mean(jnp.where(phi > 20, -phi, jnp.log(loss)))
    # −log(exp(ℓ) − 1), which is −ℓ where ℓ is large and −log ℓ where it is small.
    between = -jnp.where(mean > 20, mean, jnp.log(jnp.expm1(jnp.minimum(mean, 20.0))))
    return jnp.where(log_mean < -15, -log_mean, between)


def mean_probability(
    phi: Float[Array, "models queries examples"],
) -> Float[Array, "models examples"]:
    """The log-odds of the mean probability of the queries; they rank as it does.

    Examples:
        >>> print(mean_probability(jnp.array([[[2.0, 30.0]]])))
        [[ 2. 30.]]
        >>> found = mean_probability(jnp.array([[[2.0], [0.0]]]))
        >>> print(jax.nn.sigmoid(found).round(4), jax.nn.sigmoid(jnp.array([2.0, 0.0])).mean())
        [[0.6904]] 0.6903985
    """
    if phi.shape[1] == 1:
        return phi[:, 0]
    return _log_mean(-jax.nn.softplus(-phi)) - _log_mean(-jax.nn.softplus(phi))


def _log_mean(log: Float[Array, "models queries examples"]) -> Float[Array, "models examples"]:
    return jax.nn.logsumexp(log, axis=1) - jnp.log(float(log.shape[1]))
