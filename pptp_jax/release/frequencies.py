"""Membership from released frequencies: the noise-aware score and the likelihood-ratio test."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pptp_jax.release.means import (
    MembershipRisk,
    Numbers,
    check_release,
    membership_from_means,
    risk_at,
    with_noise,
)
from pptp_jax.validation import Refused, positive


def membership_from_frequencies(
    released: Float[Array, " statistics"],
    records: Float[Array, "people statistics"],
    population: Float[Array, " statistics"],
    pool_size: int,
    noise_std: Numbers = 0.0,
) -> Float[Array, " people"]:
    """The noise-aware score for frequencies of independent attributes, with Gaussian noise.

    It is `membership_from_means` with variances p(1 − p). For genotypes of two copies call that
    one, on half the number of copies, with variances p(1 − p) / 2.

    Args:
        released: the frequencies.
        records: 0 or 1 for each attribute.
        population: the frequencies p in the population, between 0 and 1 and neither.
        pool_size: n.
        noise_std: as in `membership_from_means`.

    Raises:
        ValueError: as `membership_from_means`.

    Examples:
        >>> population = jnp.array([0.5, 0.1])
        >>> people = jnp.array([[1.0, 1.0], [1.0, 0.0]])
        >>> scores = membership_from_frequencies(jnp.array([0.5, 0.2]), people, population, 10)
        >>> [round(float(score), 3) for score in scores]
        [0.5, -0.167]
    """
    variance = population * (1 - population)
    return membership_from_means(released, records, population, variance, pool_size, noise_std)


def frequency_likelihood_ratio(
    released: Float[Array, " statistics"],
    records: Float[Array, "people statistics"],
    population: Float[Array, " statistics"],
    least: float = 1e-8,
) -> Float[Array, " people"]:
    r"""The likelihood-ratio test that takes released frequencies for exact.

    \(\sum_j d_j \log(\hat x_j / p_j) + (1 - d_j) \log((1 - \hat x_j) / (1 - p_j))\). It knows
    neither the noise nor the size of the pool.

    Args:
        released: x̂.
        records: d: 0 or 1; for genotypes with two copies half their number.
        population: p.
        least: x̂ and 1 − x̂ below this are taken for it. Under noise much depends on it: at 1e-8 a
            single attribute can decide.

    Raises:
        ValueError: if a frequency of the population is 0 or 1, or `least` not positive.

    References:
        Sankararaman et al., "Genomic privacy and limits of individual detection in a pool", Nature
        Genetics 2009

    Examples:
        >>> people = jnp.array([[1.0], [0.0]])
        >>> scores = frequency_likelihood_ratio(jnp.array([0.6]), people, jnp.array([0.3]))
        >>> [round(float(score), 3) for score in scores]
        [0.693, -0.56]
    """
    _check_frequencies(population, least)
    present = jnp.log(jnp.maximum(released, least)) - jnp.log(population)
    absent = jnp.log(jnp.maximum(1 - released, least)) - jnp.log1p(-population)
    return records @ (present - absent) + absent.sum()


def risk_of_likelihood_ratio(
    population: Float[Array, " statistics"],
    pool_size: int,
    noise_std: Numbers = 0.0,
    least: float = 1e-8,
) -> MembershipRisk:
    r"""The risk of a random person by `frequency_likelihood_ratio`, under Gaussian noise.

    With \(c_j = logit(\hat x_j) - logit(p_j)\) the score has the slope \(c_j\) in attribute j, so
    \(d' = \sum_j v_j (E[c_j; d_j = 1] - E[c_j; d_j = 0]) / \sqrt{\sum_j v_j E[c_j^2]}\) with
    \(v_j = p_j (1 - p_j)\). The expectations over the normal frequency are integrals.

    Args:
        population: p.
        pool_size: n.
        noise_std: of the Gaussian noise, one number or one for each attribute.
        least: as in `frequency_likelihood_ratio`.

    Raises:
        ValueError: if the pool is empty, the noise negative, a frequency 0 or 1, or `least` not
            positive.

    Examples:
        Noise costs this attacker more than one who knows of it:

        >>> population = jnp.linspace(0.05, 0.5, 2000)
        >>> blind = risk_of_likelihood_ratio(population, 200, 0.05)
        >>> from pptp_jax.release import risk_of_means
        >>> aware = risk_of_means(population * (1 - population), 200, 0.05)
        >>> round(float(blind.auc), 2), round(float(aware.auc), 2)
        (0.68, 0.87)
    """
    _check_frequencies(population, least)
    check_release(None, population, pool_size, noise_std, "gaussian")
    variance = population * (1 - population)
    spread = jnp.sqrt(with_noise(variance / pool_size, noise_std))
    grid = jnp.linspace(-7.0, 7.0, 4001)
    weights = jax.nn.softmax(-jnp.square(grid) / 2)

    def slope(p: Array, spread: Array, shift: Array) -> Array:
        found = p + shift / pool_size + spread * grid
        odds = jnp.log(jnp.maximum(found, least))
        return odds - jnp.log(jnp.maximum(1 - found, least)) - jnp.log(p / (1 - p))

    def of_attribute(p: Array, spread: Array) -> tuple[Array, Array]:
        member, other = (weights @ slope(p, spread, d - p) for d in (1.0, 0.0))
        return member - other, weights @ jnp.square(slope(p, spread, jnp.zeros(())))

    shift, square = jax.lax.map(lambda one: of_attribute(*one), (population, spread))
    return risk_at((variance * shift).sum() / jnp.sqrt((variance * square).sum()))


def _check_frequencies(population: Float[Array, " statistics"], least: float) -> None:
    positive(least=least)
    if isinstance(population, jax.core.Tracer):
        return
    if not ((np.asarray(population) > 0) & (np.asarray(population) < 1)).all():
        raise Refused("population must hold frequencies between 0 and 1, and neither")
