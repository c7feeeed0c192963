"""LiRA on several queries at once: a multivariate normal for each kind of shadows.

References:
    Carlini et al., "Membership Inference Attacks From First Principles", 2022,
    https://arxiv.org/abs/2112.03570
"""

from functools import partial

import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.leave_one_out_covariance import Spread, spreads, without
from pptp_jax.attacks.likelihood_ratio import log_ratio
from pptp_jax.attacks.lira import Variance, pools
from pptp_jax.attacks.pooled_variance import typical
from pptp_jax.validation import AttackUnavailable

# Correlations are made this much smaller, so that queries that always agree can be distinguished.
_RIDGE = 1e-4


def lira_multivariate(
    evidence: Evidence, *, variance: Variance = "auto"
) -> Float[Array, "targets attacked"]:
    """Log N(φ; μ_in, Σ_in) − log N(φ; μ_out, Σ_out) of the vector φ of all queries.

    `lira_online` adds the queries up as if they were independent, which counts several times what
    an image and its mirror image both say.

    An example's own covariance is singular with fewer shadows than queries, and poor with few more.
    It is therefore drawn towards the pooled one Σ₀, that within examples over all of them, as if
    Σ₀ had been seen in as many shadows as there are queries beside the first:
    Σ = ((n − 1) S + (Q − 1) Σ₀) / (n + Q − 2), with the covariance S of n shadows and Q queries.
    That has full rank for any n, keeps to S where shadows are many, and would leave the variance
    of a single query as it is. A plain ridge would call queries independent where they are not.

    Args:
        evidence: with φ.
        variance: `per_example`, drawn towards the pooled one; `global`: the pooled one; or `auto`:
            per example from 64 models up.

    Raises:
        AttackUnavailable: with one query, or with fewer than 2 IN and 2 OUT shadows for an example.

    Examples:
        >>> import numpy as np
        >>> membership = np.arange(8)[:, None] % 2 == 0
        >>> phi = np.where(membership, 2.0, -2.0)[:, None] + np.arange(8)[:, None, None] / 8
        >>> both = np.float32(np.concatenate([phi, phi + 1], axis=1))
        >>> held = Evidence.leave_one_out({"confidence": both}, membership)
        >>> print(lira_multivariate(held)[:, 0] > 0)
        [ True False  True False  True False  True False]
    """
    if evidence.target_signal("confidence").shape[1] == 1:
        raise AttackUnavailable(
            "this attack takes several queries jointly, and there is only one, of which "
            "lira_online says the same"
        )
    density = _log_density_pooled if pools(evidence, variance) else _log_density
    return log_ratio(evidence, spreads, without, density)


def _log_density(
    value: Float[Array, "queries examples"], spread: Spread, pooled: bool = False
) -> Float[Array, " examples"]:
    """Log density of a multivariate normal: query by query, each given those before it."""
    covariance = _covariance(spread, pooled)
    off, log_density = value - spread.fit.mean, jnp.zeros(value.shape[1:], value.dtype)
    # Confidences that do not vary at all would otherwise be divided by zero.
    least = jnp.finfo(value.dtype).tiny ** 0.5
    for query in range(len(value)):
        variance = jnp.maximum(covariance[query, query], least)
        log_density += norm.logpdf(off[query], 0.0, jnp.sqrt(variance))
        gain = covariance[query] / variance[None]
        off = off - gain * off[query][None]
        covariance = covariance - gain[:, None] * covariance[query][None]
    return log_density


_log_density_pooled = partial(_log_density, pooled=True)


def _covariance(spread: Spread, pooled: bool) -> Float[Array, "queries queries #examples"]:
    freedom = (spread.fit.models - 1).astype(spread.products.dtype)[None, None]
    where = typical(spread.fit).all(axis=0)[None, None]
    covariance = spread.products.sum(axis=-1, keepdims=True, where=where)
    covariance /= freedom.sum(where=where)
    if not pooled:
        prior = len(covariance) - 1
        covariance = (spread.products + prior * covariance) / (freedom + prior)
    same = jnp.eye(len(covariance), dtype=bool)[..., None]
    return jnp.where(same, covariance, (1 - _RIDGE) * covariance)
