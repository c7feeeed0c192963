"""RMIA: how often an example's likelihood ratio beats those of the population, exactly.

The share of the population that an example beats is an empirical distribution function, so one
sort and one binary search replace the comparison of every pair.

References:
    Zarifzadeh, Liu and Shokri, "Low-Cost High-Power Membership Inference Attacks", ICML 2024,
    https://arxiv.org/abs/2312.03262
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.shadows import shadows_of
from pptp_jax.validation import fraction, positive


def rmia_online(
    signals: Float[Array, "models queries examples"],
    membership: Bool[Array, "models examples"],
    target: Int[Array, ""] | int,
    *,
    gamma: float = 2.0,
    population: Int[Array, " population"] | None = None,
) -> Float[Array, " examples"]:
    """Pr_z[(p(x|θ)/p(x)) / (p(z|θ)/p(z)) ≥ γ], with p(x) from IN and OUT shadows alike.

    p(x) = ½ (mean over IN + mean over OUT). Where there are as many of either, as the paper has it,
    this is the mean over all shadows. In a balanced fleet attacked model by model a member of the
    target has one IN shadow fewer than a non-member, and a plain mean over all shadows would give
    its membership away without a look at the target.

    Args:
        signals: φ; several queries are joined by their mean log-probability.
        membership: who trained on what.
        target: the model under attack.
        gamma: how far an example must be ahead of z to beat it.
        population: the examples z; None takes all of them.

    Returns:
        The scores, from 0 to 1.

    Raises:
        ValueError: with no IN or no OUT shadow for an example, or γ not above 0.

    Examples:
        >>> import numpy as np
        >>> membership = np.array([[True, False]] * 2 + [[False, True]] * 2)
        >>> signals = np.where(membership, 3.0, -3.0)[:, None, :]
        >>> print(rmia_online(jnp.array(signals), jnp.array(membership), 0))
        [0.5 0. ]
    """
    positive(gamma=gamma)
    shadows = shadows_of(signals, membership, target, inside=1, outside=1)
    inside, outside = _log_mean(signals, shadows.inside), _log_mean(signals, shadows.outside)
    reference = jnp.logaddexp(inside, outside) - jnp.log(2.0)
    return _beaten(signals[target], reference, gamma, population)


def rmia_offline(
    signals: Float[Array, "models queries examples"],
    membership: Bool[Array, "models examples"],
    target: Int[Array, ""] | int,
    *,
    gamma: float = 2.0,
    a: float = 0.3,
    population: Int[Array, " population"] | None = None,
) -> Float[Array, " examples"]:
    """RMIA with p(x) = ½ ((1 + a) p_out(x) + (1 − a)); no IN shadow is used.

    Args:
        signals: φ; several queries are joined by their mean log-probability.
        membership: who trained on what.
        target: the model under attack.
        gamma: how far an example must be ahead of z to beat it.
        a: how close p_in is to p_out; the paper uses 0.3 on CIFAR-10 and 0.6 on CIFAR-100.
        population: the examples z; None takes all of them.

    Returns:
        The scores, from 0 to 1.

    Raises:
        ValueError: with no OUT shadow for an example, γ not above 0, or `a` outside [0, 1].

    Examples:
        >>> import numpy as np
        >>> membership = np.array([[True, False], [False, True], [False, False]])
        >>> signals = np.where(membership, 3.0, -3.0)[:, None, :]
        >>> print(rmia_offline(jnp.array(signals), jnp.array(membership), 0))
        [0.5 0. ]
    """
    positive(gamma=gamma)
    fraction(a=a)
    shadows = shadows_of(signals, membership, target, inside=0, outside=1)
    outside = _log_mean(signals, shadows.outside)
    reference = jnp.logaddexp(jnp.log1p(a) + outside, jnp.log1p(-a)) - jnp.log(2.0)
    return _beaten(signals[target], reference, gamma, population)


def _log_mean(
    signals: Float[Array, "models queries examples"], chosen: Bool[Array, "models examples"]
) -> Float[Array, "queries examples"]:
    """Log of the mean probability over the chosen models, precise next to 0 as next to 1."""
    where = chosen[:, None, :]
    p = jnp.mean(jax.nn.sigmoid(signals), axis=0, where=where)
    q = jnp.mean(jax.nn.sigmoid(-signals), axis=0, where=where)
    return jnp.where(p < 0.5, jnp.log(p), jnp.log1p(-q))


def _beaten(
    own: Float[Array, "queries examples"],
    reference: Float[Array, "queries examples"],
    gamma: float,
    population: Int[Array, " population"] | None,
) -> Float[Array, " examples"]:
    ratio = (-jax.nn.softplus(-own) - reference).mean(axis=0)
    z = jnp.sort(ratio if population is None else ratio[population])
    return jnp.searchsorted(z, ratio - jnp.log(gamma), side="right") / len(z)
