"""BaVarIA-t: LiRA with priors for each example's mean and variance, for few shadows.

References:
    Brännvall, "Exponential-Family Membership Inference: From LiRA and RMIA to BaVarIA", 2026,
    https://arxiv.org/abs/2603.11799
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import t as student
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.leave_out import Fit, StandIns, fits, stand_ins, without_both


def bavaria_t(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """Log t(φ; IN) − log t(φ; OUT), with Student-t predictive densities, summed over the queries.

    Each kind's mean and variance have a normal-inverse-gamma prior,
    σ² ~ IG(α, β), μ | σ² ~ N(μ₀, σ²/κ). With n shadows of mean m and sum of squares S the density
    of the next value is Student's, with 2αₙ degrees of freedom, location μₙ and scale
    βₙ(κₙ + 1)/(αₙ κₙ), where κₙ = κ + n, αₙ = α + n/2, μₙ = (κ μ₀ + n m)/κₙ and
    βₙ = β + S/2 + κ n (m − μ₀)²/(2 κₙ).

    The prior is fitted to all examples by moments (empirical Bayes): μ₀ is the mean of the means; κ
    the ratio of the mean variance to the variance of the true means; α and β have the mean and the
    variance of the true variances. Without the target, and its stand-in as in LiRA.

    Args:
        evidence: with φ.

    Returns:
        The scores.

    Raises:
        ValueError: with fewer than 2 IN and 2 OUT shadows for an example.

    Examples:
        >>> import numpy as np
        >>> membership = np.arange(8)[:, None] % 2 == np.arange(2)[None]
        >>> phi = np.where(membership, 2.0, -2.0)[:, None] + np.arange(8)[:, None, None] / 8
        >>> held = Evidence(signals={"confidence": np.float32(phi)}, membership=membership)
        >>> bool(((bavaria_t(held) > 0) == membership).all())
        True
    """
    kinds = evidence.shadows_of("IN", at_least=2), evidence.shadows_of("OUT", at_least=2)
    own, known = evidence.own("confidence"), evidence.known("confidence")
    spare = stand_ins(evidence.members(), evidence.itself, np.asarray(known))
    return _scores(own, known, *kinds, jnp.asarray(evidence.itself), spare)


@jax.jit
def _scores(
    own: Float[Array, "targets queries examples"],
    known: Float[Array, "shadows queries examples"],
    inside: Bool[Array, "shadows examples"],
    outside: Bool[Array, "shadows examples"],
    itself: Int[Array, " targets"],
    spare: StandIns,
) -> Float[Array, "targets examples"]:
    found = [(chosen, fits(known, chosen)) for chosen in (inside, outside)]

    def of_target(
        target: tuple[Float[Array, "queries examples"], Int[Array, ""], StandIns],
    ) -> Float[Array, " examples"]:
        mine, place, stand_in = target
        of_in, of_out = (
            _log_predictive(
                mine, without_both(fit, known, chosen, place, stand_in, inside=chosen is inside)
            )
            for chosen, fit in found
        )
        return (of_in - of_out).sum(axis=0)

    return jax.lax.map(of_target, (own, itself, spare))


def _log_predictive(
    value: Float[Array, "queries examples"], fit: Fit
) -> Float[Array, "queries examples"]:
    n = fit.models.astype(value.dtype)[None]
    centre, kappa, alpha, beta = _prior(fit)
    kappa_n, alpha_n = kappa + n, alpha + n / 2
    mean = (kappa * centre + n * fit.mean) / kappa_n
    off = kappa * n * jnp.square(fit.mean - centre) / kappa_n
    beta_n = beta + (fit.squares + off) / 2
    scale = jnp.sqrt(beta_n * (kappa_n + 1) / (alpha_n * kappa_n))
    return student.logpdf(value, 2 * alpha_n, mean, scale)


def _prior(fit: Fit) -> tuple[Float[Array, "queries 1"], ...]:
    """μ₀, κ, α and β of each query, by the moments of the examples' means and variances."""
    n = fit.models.astype(fit.mean.dtype)
    freedom = (n - 1).sum()
    # What does not vary at all must not divide by zero.
    least = jnp.finfo(fit.mean.dtype).tiny ** 0.5
    variance = fit.squares.sum(axis=-1, keepdims=True) / freedom + least
    centre = fit.mean.mean(axis=-1, keepdims=True)
    # The means scatter by their own error as well, and so do the variances.
    of_means = jnp.square(fit.mean - centre).mean(axis=-1, keepdims=True)
    between = jnp.maximum(of_means - variance * (1 / n).mean(), 1e-3 * variance)
    own = fit.squares / (n - 1)[None] / variance
    error = (2 / (n - 1)).mean()
    excess = jnp.square(own - 1).mean(axis=-1, keepdims=True) - error
    # The squared coefficient of variation of the true variances.
    spread = jnp.clip(excess / (1 + error), 1e-2, 1e2)
    alpha = 2 + 1 / spread
    return centre, variance / between, alpha, variance * (alpha - 1)
