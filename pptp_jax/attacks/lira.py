"""LiRA: the likelihood-ratio attack on Gaussian fits of the shadows' confidences.

References:
    Carlini et al., "Membership Inference Attacks From First Principles", 2022,
    https://arxiv.org/abs/2112.03570, and its published code.
"""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.leave_one_out import Fit, fits, without
from pptp_jax.attacks.likelihood_ratio import log_ratio, near
from pptp_jax.attacks.pooled_variance import pooled_variance
from pptp_jax.attacks.published_lira import published_offline, published_online
from pptp_jax.validation import one_of

Variance = Literal["auto", "per_example", "global"]

# From this many models up, an example's own variance is known well enough.
_PER_EXAMPLE_FROM = 64


def lira_online(
    evidence: Evidence, *, variance: Variance = "auto", reference_compat: bool = False
) -> Float[Array | np.ndarray, "targets attacked"]:
    """Log N(φ; μ_in, σ²_in) − log N(φ; μ_out, σ²_out), summed over the queries.

    Queries count as independent; `lira_multivariate` takes them jointly.

    Of each example as many IN as OUT shadows are used, the first in the order of the models (see
    `pptp_jax.attacks.alike`): numbers that differ would tell of membership by themselves.

    Args:
        evidence: with φ.
        variance: `per_example`; `global`, the variance within examples pooled over all of them;
            or `auto`: per example from 64 models up, the target counted. Of examples with a gross
            outlier the pooled variance takes no notice (see `pptp_jax.attacks.pooled_variance`).
        reference_compat: computes as the published code does (see `published_online`).

    Returns:
        The scores.

    Raises:
        AttackUnavailable: with fewer than 2 IN and 2 OUT shadows for an example.

    Examples:
        >>> import numpy as np
        >>> membership = np.arange(8)[:, None] % 2 == 0
        >>> phi = np.where(membership, 2.0, -2.0)[:, None] + np.arange(8)[:, None, None] / 8
        >>> held = Evidence.leave_one_out({"confidence": np.float32(phi)}, membership)
        >>> print(lira_online(held)[:, 0] > 0)
        [ True False  True False  True False  True False]
    """
    pooled = pools(evidence, variance)
    if reference_compat:
        return published_online(evidence, fixed_variance=pooled)
    return log_ratio(evidence, fits, without, _log_density_pooled if pooled else _log_density)


def lira_offline(
    evidence: Evidence, *, variance: Variance = "auto", reference_compat: bool = False
) -> Float[Array | np.ndarray, "targets attacked"]:
    """Log Pr[Z ≤ φ] for Z ~ N(μ_out, σ²_out), summed over the queries; no IN shadow is used.

    μ_out and σ_out are known from n shadows only, so that a non-member's φ lies farther from the
    mean than σ_out says, the more so the smaller n is. Z has therefore the distribution of the next
    value: its variance is σ²_out (1 + 1/n), and with each example's own variance it is Student's,
    with n − 1 degrees of freedom. Otherwise n alone would tell of membership.

    Args:
        evidence: with φ.
        variance: as in `lira_online`.
        reference_compat: computes as the published code does (see `published_offline`), which also
            calls confidences far below the OUT mean members.

    Returns:
        The scores.

    Raises:
        AttackUnavailable: with fewer than 2 OUT shadows for an example.

    Examples:
        >>> import numpy as np
        >>> phi = np.float32([3.0, 0.1, -0.1, 0.0]).reshape(4, 1, 1)
        >>> membership = np.array([[True], [False], [False], [False]])
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
        >>> bool(lira_offline(held)[0, 0] > np.log(0.99))
        True
    """
    pooled = pools(evidence, variance)
    if reference_compat:
        return published_offline(evidence, fixed_variance=pooled)
    outside = evidence.shadows_of("OUT", at_least=2)
    own, known = (
        near(evidence.target_signal("confidence")),
        near(evidence.shadow_signal("confidence")),
    )
    return _offline(pooled, own, known, outside, jnp.asarray(evidence.target_among_shadows))


def pools(evidence: Evidence, variance: Variance) -> bool:
    """Whether one variance serves all examples."""
    one_of(("auto", "per_example", "global"), variance=variance)
    # A target that is no shadow counts as a model as well.
    models = len(evidence.membership) + bool((evidence.target_among_shadows < 0).any())
    return models < _PER_EXAMPLE_FROM if variance == "auto" else variance == "global"


@partial(jax.jit, static_argnums=0)
def _offline(
    pooled: bool,
    own: Float[Array, "targets queries examples"],
    known: Float[Array, "shadows queries examples"],
    outside: Bool[Array, "shadows examples"],
    itself: Int[Array, " targets"],
) -> Float[Array, "targets examples"]:
    found = fits(known, outside)

    def of_target(
        target: tuple[Float[Array, "queries examples"], Int[Array, ""]],
    ) -> Float[Array, " examples"]:
        mine, place = target
        fit = without(found, place, known[place], outside[place] & (place >= 0))
        mean, std = _gaussian(fit, pooled)
        n = fit.models.astype(mean.dtype)[None]
        off = (mine - mean) / (std * jnp.sqrt(1 + 1 / n))
        return norm.logcdf(off if pooled else _deviate(off, n - 1)).sum(axis=0)

    return jax.lax.map(of_target, (own, itself))


def _deviate(
    t: Float[Array, "queries examples"], freedom: Float[Array, "1 examples"]
) -> Float[Array, "queries examples"]:
    """The normal deviate in the place of Student's t (Wallace 1959); far out as well as near 0."""
    scale = (8 * freedom + 1) / (8 * freedom + 3)
    return jnp.sign(t) * scale * jnp.sqrt(freedom * jnp.log1p(jnp.square(t) / freedom))


def _log_density(
    value: Float[Array, "queries examples"], fit: Fit, pooled: bool = False
) -> Float[Array, " examples"]:
    return norm.logpdf(value, *_gaussian(fit, pooled)).sum(axis=0)


_log_density_pooled = partial(_log_density, pooled=True)


def _gaussian(
    fit: Fit, pooled: bool
) -> tuple[Float[Array, "queries examples"], Float[Array, "queries #examples"]]:
    """Mean and standard deviation, per query and example or per query."""
    if pooled:
        variance = pooled_variance(fit)
    else:
        variance = fit.squares / (fit.models - 1).astype(fit.mean.dtype)[None]
    # Confidences that do not vary at all would otherwise be divided by zero.
    return fit.mean, jnp.sqrt(variance) + jnp.finfo(variance.dtype).tiny ** 0.5
