"""BaVarIA-t: LiRA with priors for each example's mean and variance, for few shadows.

References:
    Brännvall, "Exponential-Family Membership Inference: From LiRA and RMIA to BaVarIA", 2026,
    https://arxiv.org/abs/2603.11799
"""

from typing import Generic, NamedTuple, TypeVar

import jax.numpy as jnp
from jax.scipy.stats import t as student
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.leave_one_out import Fit, Fits, fits, middle, without
from pptp_jax.attacks.likelihood_ratio import log_ratio
from pptp_jax.attacks.pooled_variance import pooled_variance, typical

Fitted = TypeVar("Fitted", Fits, Fit)


def bavaria_t(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """Log t(φ; IN) − log t(φ; OUT), with Student-t predictive densities, summed over the queries.

    Each kind's mean and variance have a normal-inverse-gamma prior,
    σ² ~ IG(α, β), μ | σ² ~ N(μ₀, σ²/κ). With n shadows of mean m and sum of squares S the density
    of the next value is Student's, with 2αₙ degrees of freedom, location μₙ and scale
    βₙ(κₙ + 1)/(αₙ κₙ), where κₙ = κ + n, αₙ = α + n/2, μₙ = (κ μ₀ + n m)/κₙ and
    βₙ = β + S/2 + κ n (m − μ₀)²/(2 κₙ).

    The prior is fitted to all examples by moments (empirical Bayes): μ₀ is the mean of the means; κ
    the ratio of the mean variance to the variance of the true means; α and β have the mean and the
    variance of the true variances. As many IN as OUT shadows are used, as in LiRA.

    Args:
        evidence: with φ.

    Returns:
        The scores.

    Raises:
        AttackUnavailable: with fewer than 2 IN and 2 OUT shadows for an example.

    Examples:
        >>> import numpy as np
        >>> membership = np.arange(8)[:, None] % 2 == np.arange(2)[None]
        >>> phi = np.where(membership, 2.0, -2.0)[:, None] + np.arange(8)[:, None, None] / 8
        >>> held = Evidence.leave_one_out({"confidence": np.float32(phi)}, membership)
        >>> bool(((bavaria_t(held) > 0) == membership).all())
        True
    """
    return log_ratio(evidence, _fits, _without, _log_predictive, centred=False)


class _Centred(NamedTuple, Generic[Fitted]):
    """Fits, or a fit, to φ less a value of its own example, and that value.

    Far from 0, means would round by how many they are of, and so by membership.
    """

    fit: Fitted
    origin: Float[Array, "queries examples"]


def _fits(
    values: Float[Array, "shadows queries examples"], chosen: Bool[Array, "shadows examples"]
) -> _Centred[Fits]:
    origin = middle(values)
    return _Centred(fits(values - origin[None], chosen), origin)


def _without(
    found: _Centred[Fits],
    model: Int[Array, ""],
    value: Float[Array, "queries examples"],
    there: Bool[Array, " examples"],
) -> _Centred[Fit]:
    return _Centred(without(found.fit, model, value - found.origin, there), found.origin)


def _log_predictive(
    value: Float[Array, "queries examples"], found: _Centred[Fit]
) -> Float[Array, " examples"]:
    fit, origin = found
    n = fit.models.astype(value.dtype)[None]
    centre, kappa, alpha, beta = _prior(fit._replace(mean=origin + fit.mean))
    centre = centre - origin
    kappa_n, alpha_n = kappa + n, alpha + n / 2
    mean = (kappa * centre + n * fit.mean) / kappa_n
    off = kappa * n * jnp.square(fit.mean - centre) / kappa_n
    beta_n = beta + (fit.squares + off) / 2
    scale = jnp.sqrt(beta_n * (kappa_n + 1) / (alpha_n * kappa_n))
    return student.logpdf(value - origin, 2 * alpha_n, mean, scale).sum(axis=0)


def _prior(fit: Fit) -> tuple[Float[Array, "queries 1"], ...]:
    """μ₀, κ, α and β of each query, by the moments of the examples' means and variances."""
    n = jnp.broadcast_to(fit.models.astype(fit.mean.dtype)[None], fit.mean.shape)
    pooled = typical(fit)

    def average(values: Float[Array, "queries examples"]) -> Float[Array, "queries 1"]:
        return values.mean(axis=-1, keepdims=True, where=pooled)

    # What does not vary at all must not divide by zero.
    variance = pooled_variance(fit) + jnp.finfo(fit.mean.dtype).tiny ** 0.5
    centre = average(fit.mean)
    # The means scatter by their own error as well, and so do the variances.
    of_means = average(jnp.square(fit.mean - centre))
    between = jnp.maximum(of_means - variance * average(1 / n), 1e-3 * variance)
    error = average(2 / (n - 1))
    excess = average(jnp.square(fit.squares / (n - 1) / variance - 1)) - error
    # The squared coefficient of variation of the true variances.
    spread = jnp.clip(excess / (1 + error), 1e-2, 1e2)
    alpha = 2 + 1 / spread
    return centre, variance / between, alpha, variance * (alpha - 1)
