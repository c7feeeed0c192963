"""Membership from released means with noise: the exact score and its risk in closed form."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float

from pptp_jax.validation import Refused, at_least, not_negative, one_of, positive

NOISES = ("gaussian", "laplace")

Numbers = float | Float[Array, "..."]


class MembershipRisk(NamedTuple):
    """The risk of membership by the best attacker.

    Attributes:
        separation: d', the distance of the two means of the score in standard deviations.
        auc: the area under its ROC, Φ(d'/√2).
        advantage: the most by which true positives exceed false ones, 2Φ(d'/2) − 1.
    """

    separation: Float[Array, ""]
    auc: Float[Array, ""]
    advantage: Float[Array, ""]


def risk_at(separation: Numbers) -> MembershipRisk:
    """The risk at a separation d', where scores are normal with equal variances.

    Args:
        separation: d'.

    Examples:
        >>> [round(float(number), 3) for number in risk_at(1.0)]
        [1.0, 0.76, 0.383]
    """
    apart = jnp.asarray(separation, jnp.float32)
    cdf = jax.scipy.stats.norm.cdf
    return MembershipRisk(apart, cdf(apart / jnp.sqrt(2.0)), 2 * cdf(apart / 2) - 1)


def membership_from_means(
    released: Float[Array, " statistics"],
    records: Float[Array, "people statistics"],
    mean: Float[Array, " statistics"],
    covariance: Float[Array, "..."],
    pool_size: int,
    noise_std: Numbers = 0.0,
    noise: Literal["gaussian", "laplace"] = "gaussian",
) -> Float[Array, " people"]:
    r"""The log-likelihood ratio of a release for a person in the pool, with the noise modelled.

    The release is the mean of the pool's records plus noise. The other records of the pool are
    unknown draws from the population, so that the mean has covariance \(\Sigma / n\) and is about
    normal. A member moves it by \(\Delta = (d - \mu) / n\). With Gaussian noise,
    \(V = \Sigma / n + diag(\sigma^2)\) and the score is
    \(\Delta^T V^{-1} (r - \mu) - \Delta^T V^{-1} \Delta / 2\). By Neyman and Pearson no
    other score is better under these assumptions.

    Args:
        released: r.
        records: d, of the people that are attacked.
        mean: μ, of the population.
        covariance: Σ of a record: a matrix, or a vector of variances if statistics are independent.
        pool_size: n.
        noise_std: the standard deviation of the noise, one number or one for each statistic. A mean
            estimated from N reference records adds Σ/N of variance, which belongs here.
        noise: its distribution. Laplace noise needs independent statistics.

    Raises:
        ValueError: if shapes disagree, the pool is empty, noise is negative or unknown, a variance
            is negative, or a statistic has no variance at all or follows from others, and there is
            no noise on it.

    References:
        Zhang et al., 2024, https://arxiv.org/abs/2410.07414, have the attacker that knows the
        noise; this form is our derivation

    Examples:
        >>> population = jnp.array([0.5, 0.5])
        >>> people = jnp.array([[1.0, 1.0], [0.0, 0.0]])
        >>> scores = membership_from_means(jnp.array([0.7, 0.6]), people, population,
        ...                                population * (1 - population), pool_size=10)
        >>> [round(float(score), 2) for score in scores]
        [0.5, -0.7]
    """
    check_release(records, covariance, pool_size, noise_std, noise)
    if not released.shape == mean.shape == covariance.shape[:1]:
        raise Refused(
            f"released and mean need one number for each of {len(covariance)} statistics, got "
            f"{released.shape} and {mean.shape}"
        )
    shifts = (records - mean[None]) / pool_size
    apart = released - mean
    if noise == "laplace":
        base = jnp.sqrt(covariance / pool_size)
        scale = jnp.broadcast_to(jnp.asarray(noise_std) / jnp.sqrt(2.0), mean.shape)
        density = jax.vmap(jax.vmap(_log_density), in_axes=(0, None, None))
        return (density(apart[None] - shifts, base, scale) - density(apart[None], base, scale)).sum(
            axis=1
        )
    whitened = _divided(shifts, covariance / pool_size, noise_std)
    return whitened @ apart - (whitened * shifts).sum(axis=1) / 2


def risk_of_means(
    covariance: Float[Array, "..."],
    pool_size: int,
    noise_std: Numbers = 0.0,
    noise: Literal["gaussian", "laplace"] = "gaussian",
) -> MembershipRisk:
    r"""The risk of a random person by `membership_from_means`, before anything is released.

    \(d'^2 = tr(\Sigma V^{-1}) / n^2\); without noise that is the number of statistics over the
    number of people. With Laplace noise \(1 / V\) is replaced by the Fisher information of the
    noisy mean, which is exact as the shift of one person goes to 0.

    Args:
        covariance: Σ of a record, a matrix or a vector of variances; p(1 − p) for frequencies.
        pool_size: n.
        noise_std: as in `membership_from_means`.
        noise: as there.

    Raises:
        ValueError: as `membership_from_means`.

    Examples:
        >>> risk = risk_of_means(jnp.full(400, 0.25), pool_size=200)
        >>> round(float(risk.separation), 3), round(float(risk.auc), 3)
        (1.414, 0.841)
    """
    check_release(None, covariance, pool_size, noise_std, noise)
    if noise == "laplace":
        scale = jnp.broadcast_to(jnp.asarray(noise_std) / jnp.sqrt(2.0), covariance.shape)
        information = jax.vmap(_information)(jnp.sqrt(covariance / pool_size), scale)
        squared = (covariance * information).sum()
    elif covariance.ndim == 2:
        squared = jnp.trace(_divided(covariance, covariance / pool_size, noise_std))
    else:
        squared = (covariance / with_noise(covariance / pool_size, noise_std)).sum()
    return risk_at(jnp.sqrt(squared) / pool_size)


def with_noise(variance: Array, noise_std: Numbers) -> Array:
    """Variances of statistics with their noise."""
    return variance + jnp.broadcast_to(jnp.square(jnp.asarray(noise_std)), variance.shape)


def _divided(rows: Array, covariance: Array, noise_std: Numbers) -> Array:
    """Rows times the inverse of the covariance with noise."""
    if covariance.ndim == 1:
        return rows / with_noise(covariance, noise_std)[None]
    square = jnp.broadcast_to(jnp.square(jnp.asarray(noise_std)), covariance.shape[:1])
    return jnp.linalg.solve(covariance + jnp.diag(square), rows.T).T


def _log_density(z: Array, base: Array, scale: Array) -> Array:
    """Log density of a normal number of standard deviation `base` plus a Laplace one."""

    def side(at: Array) -> Array:
        """Of the noise on one side. Neither form subtracts large numbers where it is used."""
        far = base / scale
        t = far + at
        low = jnp.minimum(far, jnp.maximum(-at, 0.0))
        tail = low * (low / 2 + at) + log_ndtr(-jnp.minimum(t, 0.0))
        return jnp.where(t > 0, _log_mills(jnp.maximum(t, 0.0)) - jnp.square(at) / 2, tail)

    return jnp.logaddexp(side(z / base), side(-z / base)) - jnp.log(2 * scale)


def _log_mills(t: Array) -> Array:
    """The log of Mills's ratio, Φ(−t) over exp(−t²/2), also where both vanish; t is not below 0."""
    near, far = jnp.minimum(t, 4.0), jnp.maximum(t, 4.0)
    fraction = far
    for k in range(12, 0, -1):  # Laplace's continued fraction
        fraction = far + k / fraction
    tail = -jnp.log(fraction) - jnp.log(2 * jnp.pi) / 2
    return jnp.where(t < 4, log_ndtr(-near) + jnp.square(near) / 2, tail)


def _information(base: Array, scale: Array) -> Array:
    """Fisher's information of the place of that density."""
    grid = jnp.linspace(-1.0, 1.0, 4001) * 14 * jnp.maximum(base, scale)
    slope = jax.vmap(jax.grad(_log_density), (0, None, None))(grid, base, scale)
    weights = jax.nn.softmax(jax.vmap(_log_density, (0, None, None))(grid, base, scale))
    return weights @ jnp.square(slope)


def check_release(
    records: Array | None, covariance: Array, pool_size: int, noise_std: Numbers, noise: str
) -> None:
    """Refuses wrong shapes and numbers of a release."""
    at_least(1, pool_size=pool_size)
    one_of(NOISES, noise=noise)
    not_negative(noise_std=noise_std)
    if noise == "laplace":
        positive(noise_std=noise_std)
        if covariance.ndim != 1:
            raise Refused("Laplace noise needs independent statistics: give a vector of variances")
    if covariance.ndim not in (1, 2) or len({*covariance.shape}) != 1:
        raise Refused(
            "covariance needs shape (statistics,) or (statistics, statistics), got "
            f"{covariance.shape}"
        )
    if records is not None and records.shape[1:] != covariance.shape[:1]:
        raise Refused(
            f"records have {records.shape[1:]} statistics and the covariance {covariance.shape[:1]}"
        )
    if jnp.ndim(noise_std) and jnp.shape(noise_std) != covariance.shape[:1]:
        raise Refused(
            f"noise_std must be one number or one for each of {len(covariance)} statistics, got "
            f"shape {jnp.shape(noise_std)}"
        )
    if not any(isinstance(one, jax.core.Tracer) for one in (covariance, noise_std)):
        _check_variances(np.asarray(covariance, float), np.asarray(noise_std, float), noise)


def _check_variances(covariance: np.ndarray, noise_std: np.ndarray, noise: str) -> None:
    variances = covariance if covariance.ndim == 1 else covariance.diagonal()
    if not np.isfinite(covariance).all() or (variances < 0).any():
        raise Refused("variances must be finite and at least 0: p(1 − p), with p between 0 and 1")
    still = variances == 0
    if (still if noise == "laplace" else still & (noise_std == 0)).any():
        raise Refused(
            "a statistic that never varies tells people apart without any error, or says nothing: "
            "leave it out, or give Gaussian noise"
        )
    if covariance.ndim == 2 and not noise_std.any() and variances.size:
        scale = np.sqrt(variances)
        if np.linalg.cond(covariance / scale / scale[:, None]) > 1e6:
            raise Refused(
                "covariance is singular in float32: leave out statistics that follow from others, "
                "or give noise"
            )
