"""LiRA: the likelihood-ratio attack on Gaussian fits of the shadows' confidences.

References:
    Carlini et al., "Membership Inference Attacks From First Principles", 2022,
    https://arxiv.org/abs/2112.03570, and its published code.
"""

from typing import Literal

import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.shadows import shadows_of
from pptp_jax.validation import one_of

Variance = Literal["auto", "per_example", "global"]

# From this many models up, an example's own variance is known well enough.
_PER_EXAMPLE_FROM = 64


def lira_online(
    signals: Float[Array, "models queries examples"],
    membership: Bool[Array, "models examples"],
    target: Int[Array, ""] | int,
    *,
    variance: Variance = "auto",
    reference_compat: bool = False,
) -> Float[Array, " examples"]:
    """Log N(φ; μ_in, σ²_in) − log N(φ; μ_out, σ²_out), summed over the queries.

    Args:
        signals: φ.
        membership: who trained on what.
        target: the model under attack.
        variance: `per_example`; `global`, the variance within examples pooled over all of them;
            or `auto`: per example from 64 models up.
        reference_compat: computes as the published code does: medians for means, the mean over
            queries, and a "fixed" (global) variance that is that of all IN signals together.

    Returns:
        The scores.

    Raises:
        ValueError: with fewer than 2 IN and 2 OUT shadows for an example.

    Examples:
        >>> import numpy as np
        >>> membership = np.arange(8)[:, None] % 2 == 0
        >>> signals = np.where(membership, 2.0, -2.0)[:, None] + np.arange(8)[:, None, None] / 8
        >>> print(lira_online(jnp.array(signals), jnp.array(membership), 0) > 0)
        [ True]
    """
    shadows = shadows_of(signals, membership, target, inside=2, outside=2)
    pooled = _pooled(len(signals), variance)
    mean_in, std_in = _fit(signals, shadows.inside, pooled, reference_compat)
    mean_out, std_out = _fit(signals, shadows.outside, pooled, reference_compat)
    if reference_compat and pooled:
        std_out = std_in
    own = signals[target]
    ratio = norm.logpdf(own, mean_in, std_in) - norm.logpdf(own, mean_out, std_out)
    return ratio.mean(axis=0) if reference_compat else ratio.sum(axis=0)


def lira_offline(
    signals: Float[Array, "models queries examples"],
    membership: Bool[Array, "models examples"],
    target: Int[Array, ""] | int,
    *,
    variance: Variance = "auto",
    reference_compat: bool = False,
) -> Float[Array, " examples"]:
    """Log Pr[Z ≤ φ] for Z ~ N(μ_out, σ²_out), summed over the queries; no IN shadow is used.

    Args:
        signals: φ.
        membership: who trained on what.
        target: the model under attack.
        variance: as in `lira_online`.
        reference_compat: computes as the published code does: −log N(φ; μ_out, σ²_out), which also
            calls confidences far below the OUT mean members; medians for means, the mean over
            queries, and for a "fixed" (global) variance that of all IN signals.

    Returns:
        The scores.

    Raises:
        ValueError: with fewer than 2 OUT shadows for an example.

    Examples:
        >>> import numpy as np
        >>> signals = np.array([3.0, 0.1, -0.1, 0.0]).reshape(4, 1, 1)
        >>> membership = np.array([[True], [False], [False], [False]])
        >>> score = lira_offline(jnp.array(signals), jnp.array(membership), 0)
        >>> bool(score[0] > np.log(0.99))
        True
    """
    shadows = shadows_of(signals, membership, target, inside=0, outside=2)
    pooled = _pooled(len(signals), variance)
    mean, std = _fit(signals, shadows.outside, pooled, reference_compat)
    own = signals[target]
    if not reference_compat:
        return norm.logcdf(own, mean, std).sum(axis=0)
    if pooled:
        _, std = _fit(signals, shadows.inside, pooled, reference_compat)
    return -norm.logpdf(own, mean, std).mean(axis=0)


def _pooled(models: int, variance: Variance) -> bool:
    one_of(("auto", "per_example", "global"), variance=variance)
    return models < _PER_EXAMPLE_FROM if variance == "auto" else variance == "global"


def _fit(
    signals: Float[Array, "models queries examples"],
    chosen: Bool[Array, "models examples"],
    pooled: bool,
    reference_compat: bool,
) -> tuple[Float[Array, "queries examples"], Float[Array, "queries #examples"]]:
    """Mean and standard deviation over the chosen models, per query and example or per query."""
    where = chosen[:, None, :]
    mean = jnp.mean(signals, axis=0, where=where)
    if reference_compat:
        centre = jnp.nanmedian(jnp.where(where, signals, jnp.nan), axis=0)
        if pooled:
            spread = jnp.std(signals, where=jnp.broadcast_to(where, signals.shape))
            return centre, jnp.broadcast_to(spread, (signals.shape[1], 1)) + 1e-30
        return centre, jnp.std(signals, axis=0, where=where) + 1e-30
    squares = jnp.sum((signals - mean[None]) ** 2, axis=0, where=where)
    counts = chosen.sum(axis=0)
    if pooled:
        squares = squares.sum(axis=-1, keepdims=True)
        freedom = (counts - 1).sum()
    else:
        freedom = (counts - 1)[None]
    # Confidences that do not vary at all would otherwise be divided by zero.
    return mean, jnp.sqrt(squares / freedom.astype(signals.dtype)) + jnp.finfo(
        signals.dtype
    ).tiny ** 0.5
