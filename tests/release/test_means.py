"""Membership from released means: each closed form beside Monte Carlo and a naive twin."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pptp_jax.release import (
    frequency_likelihood_ratio,
    membership_from_frequencies,
    membership_from_means,
    optimal_gaussian_noise,
    risk_at,
    risk_of_likelihood_ratio,
    risk_of_means,
)
from pptp_jax.validation import Refused

PEOPLE, POOL = 400, 200


def auc(members: np.ndarray, others: np.ndarray) -> float:
    """The share of pairs in the right order."""
    return float((members[:, None] > others[None]).mean())


def pool(statistics: int, noise: float, seed: int, laplace: bool = False):
    """People of independent attributes, and the noisy frequencies of the first half."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.5, statistics)
    people = rng.random((PEOPLE, statistics)) < p
    draws = rng.laplace(size=statistics) / 2**0.5 if laplace else rng.normal(size=statistics)
    released = people[:POOL].mean(axis=0) + noise * draws
    return (jnp.asarray(one, jnp.float32) for one in (released, people, p))


def mean_auc(score, statistics: int, noise: float, laplace: bool = False) -> float:
    found = []
    for seed in range(6):
        released, people, p = pool(statistics, noise, seed, laplace)
        scores = np.asarray(score(released, people, p))
        found.append(auc(scores[:POOL], scores[POOL:]))
    return float(np.mean(found))


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.1, 0.2])
def test_the_closed_forms_are_what_monte_carlo_finds(noise):
    aware = mean_auc(lambda r, d, p: membership_from_frequencies(r, d, p, POOL, noise), 2000, noise)
    blind = mean_auc(lambda r, d, p: frequency_likelihood_ratio(r, d, p, 1e-3), 2000, noise)
    _, _, p = pool(2000, noise, 0)
    assert aware == pytest.approx(float(risk_of_means(p * (1 - p), POOL, noise).auc), abs=0.015)
    expected = risk_of_likelihood_ratio(p, POOL, noise, least=1e-3)
    assert blind == pytest.approx(float(expected.auc), abs=0.02)
    if noise:
        assert aware > blind + 0.01


def test_the_advantage_is_that_of_the_best_threshold():
    released, people, p = pool(2000, 0.1, 3)
    scores = np.asarray(membership_from_frequencies(released, people, p, POOL, 0.1))
    cuts = np.sort(scores)
    found = max((scores[:POOL] > cut).mean() - (scores[POOL:] > cut).mean() for cut in cuts)
    expected = float(risk_of_means(p * (1 - p), POOL, 0.1).advantage)
    assert found == pytest.approx(expected, abs=0.08)


def test_laplace_noise_hides_less_than_gaussian_noise_of_the_same_size():
    laplace, gaussian = (
        mean_auc(
            lambda r, d, p, kind=kind: membership_from_means(
                r, d, p, p * (1 - p), POOL, 0.08, kind
            ),
            500,
            0.08,
            laplace=True,
        )
        for kind in ("laplace", "gaussian")
    )
    _, _, p = pool(500, 0.08, 0)
    closed = [risk_of_means(p * (1 - p), POOL, 0.08, kind).auc for kind in ("laplace", "gaussian")]
    assert laplace == pytest.approx(float(closed[0]), abs=0.02)
    assert closed[0] > closed[1] and laplace > gaussian


def test_scores_are_log_ratios_of_densities():
    rng = np.random.default_rng(2)
    mean, variance = rng.uniform(0.2, 0.8, 3), rng.uniform(0.1, 0.25, 3)
    released, records = mean + rng.normal(size=3) / 10, rng.uniform(size=(4, 3))
    arrays = [jnp.asarray(one, jnp.float32) for one in (released, records, mean, variance)]
    shifts = (records - mean) / 5
    spread = np.sqrt(variance / 5 + 0.3**2)
    found = membership_from_means(*arrays, 5, 0.3)
    twin = stats.norm.logpdf(released, mean + shifts, spread).sum(axis=1)
    np.testing.assert_allclose(
        found, twin - stats.norm.logpdf(released, mean, spread).sum(), atol=1e-4
    )
    # Of normal plus Laplace, by an integral.
    grid = np.linspace(-8, 8, 160_001)

    def density(z: float, base: float) -> float:
        values = stats.norm.pdf(z - grid, scale=base) * stats.laplace.pdf(grid, scale=0.3 / 2**0.5)
        return float(values.sum() * (grid[1] - grid[0]))

    base = np.sqrt(variance / 5)
    twin = [
        sum(
            np.log(density(released[j] - mean[j] - shift[j], base[j]))
            - np.log(density(released[j] - mean[j], base[j]))
            for j in range(3)
        )
        for shift in shifts
    ]
    np.testing.assert_allclose(membership_from_means(*arrays, 5, 0.3, "laplace"), twin, atol=1e-3)


def test_a_matrix_of_variances_is_their_vector():
    released, people, p = pool(30, 0.05, 1)
    variance, stds = p * (1 - p), jnp.linspace(0.01, 0.1, 30)
    for noise in (0.05, stds):
        one = membership_from_means(released, people, p, variance, POOL, noise)
        other = membership_from_means(released, people, p, jnp.diag(variance), POOL, noise)
        np.testing.assert_allclose(one, other, atol=1e-4)
        risks = [risk_of_means(c, POOL, noise) for c in (variance, jnp.diag(variance))]
        np.testing.assert_allclose(*risks, rtol=1e-4)


def test_axes_do_not_matter_where_covariances_are_known():
    """The score of a release is that of its rotation."""
    rng = np.random.default_rng(0)
    axes, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    factor = rng.normal(size=(5, 5))
    covariance = factor @ factor.T + np.eye(5)
    released, mean, records = rng.normal(size=5), rng.normal(size=5), rng.normal(size=(7, 5))
    found = [
        membership_from_means(*(jnp.asarray(one, jnp.float32) for one in arrays), 10, 0.3)
        for arrays in (
            (released, records, mean, covariance),
            (released @ axes, records @ axes, mean @ axes, axes.T @ covariance @ axes),
        )
    ]
    np.testing.assert_allclose(*found, rtol=2e-3, atol=2e-3)


def test_correlated_statistics_are_as_telling_as_independent_ones_to_who_knows_them():
    factor = np.tril(np.ones((20, 20))) / 4 + np.eye(20)
    covariance = jnp.asarray(factor @ factor.T, jnp.float32)
    exact = risk_of_means(covariance, 10).separation
    assert float(exact) == pytest.approx((20 / 10) ** 0.5, rel=1e-3)


@given(st.floats(0.505, 0.8), st.integers(2, 40))
def test_water_filling_reaches_its_risk_at_least_noise(most, pool_size):
    p = jnp.linspace(0.01, 0.5, 64)
    variance = p * (1 - p)
    stds = optimal_gaussian_noise(variance, pool_size, most)
    risk = risk_of_means(variance, pool_size, stds)
    assert float(risk.auc) == pytest.approx(most, abs=1e-4)
    # At the optimum √a / V is the same for all that get noise, and smaller for the others.
    base = variance / pool_size
    slope = np.asarray(base / pool_size / (base + stds**2) ** 2)
    noised = np.asarray(stds) > 1e-6
    assert np.ptp(slope[noised]) <= 1e-2 * slope[noised].mean()
    assert (slope[~noised] <= slope[noised].mean() * 1.01).all()


def test_water_filling_beats_other_noise_of_the_same_risk():
    p = jnp.asarray(np.random.default_rng(0).uniform(0.002, 0.5, 200), jnp.float32)
    variance = p * (1 - p)
    stds = optimal_gaussian_noise(variance, 50, 0.7)
    same = jnp.full(200, jnp.sqrt(jnp.square(stds).mean()))
    proportional = jnp.sqrt(variance * jnp.square(stds).sum() / variance.sum())
    for other in (same, proportional):
        assert risk_of_means(variance, 50, other).auc > 0.7


def test_shifts_of_ones_own_and_releases_that_are_safe():
    variance, shifts = jnp.array([0.2, 0.1, 0.2]), jnp.array([0.3, 0.2, 0.0])
    stds = optimal_gaussian_noise(variance, 1, 0.6, shifts)
    separation = jnp.sqrt((shifts / (variance + stds**2)).sum())
    assert float(risk_at(separation).auc) == pytest.approx(0.6, abs=1e-5)
    assert stds[2] == 0
    assert not optimal_gaussian_noise(variance, 1000, 0.6).any()


def test_post_processing_to_the_population_keeps_the_risk_and_lowers_the_error():
    """Half a noisy frequency and half the public one: the score is the same, the error is less."""
    released, people, p = pool(500, 0.1, 4)
    variance = p * (1 - p)
    total = variance / POOL + 0.1**2
    kept = variance / POOL / total
    shrunk = p + kept * (released - p)
    one = membership_from_frequencies(released, people, p, POOL, 0.1)
    # Who sees the shrunk one can undo it.
    undone = p + (shrunk - p) / kept
    other = membership_from_frequencies(undone, people, p, POOL, 0.1)
    np.testing.assert_allclose(one, other, atol=1e-3)
    exact = people[:POOL].mean(axis=0)
    assert jnp.square(shrunk - exact).sum() < jnp.square(released - exact).sum() / 5


def test_bad_input_is_refused():
    ones = jnp.ones(2)
    with pytest.raises(Refused, match=r"records have \(3,\) statistics and the covariance \(2,\)"):
        membership_from_means(ones, jnp.ones((4, 3)), ones, ones, 5)
    with pytest.raises(Refused, match=r"covariance needs shape .* got \(2, 3\)"):
        risk_of_means(jnp.ones((2, 3)), 5)
    with pytest.raises(Refused, match="pool_size must be an integer of at least 1, got 0"):
        risk_of_means(ones, 0)
    with pytest.raises(Refused, match="Laplace noise needs independent statistics"):
        risk_of_means(jnp.eye(2), 5, 0.1, "laplace")
    with pytest.raises(Refused, match=r"noise_std must be a finite number above 0, got 0\.0"):
        risk_of_means(ones, 5, 0.0, "laplace")
    with pytest.raises(Refused, match="noise_std must be a finite number of at least 0"):
        risk_of_means(ones, 5, -1.0)
    with pytest.raises(Refused, match="noise 'gauss' is unknown; did you mean 'gaussian'"):
        risk_of_means(ones, 5, 0.1, "gauss")
    with pytest.raises(
        Refused, match=r"released and mean need .* 2 statistics, got \(1,\) and \(2,\)"
    ):
        membership_from_means(ones[:1], jnp.ones((4, 2)), ones, ones, 5)
    with pytest.raises(Refused, match=r"one for each of 2 statistics, got shape \(3,\)"):
        risk_of_means(ones, 5, jnp.ones(3))
    for p in (-0.1, 1.2, jnp.nan):
        with pytest.raises(Refused, match="variances must be finite and at least 0"):
            membership_from_frequencies(ones, jnp.ones((4, 2)), jnp.array([p, 0.5]), 5)
    for p in (0.0, 1.0):
        with pytest.raises(Refused, match=r"a statistic that never varies .* give Gaussian noise"):
            membership_from_frequencies(ones, jnp.ones((4, 2)), jnp.array([p, 0.5]), 5)
        with pytest.raises(Refused, match="population must hold frequencies between 0 and 1"):
            frequency_likelihood_ratio(ones, jnp.ones((4, 2)), jnp.array([p, 0.5]))
        with pytest.raises(Refused, match="population must hold frequencies between 0 and 1"):
            risk_of_likelihood_ratio(jnp.array([p, 0.5]), 5, 0.1)
    with pytest.raises(Refused, match="least must be a finite number above 0"):
        frequency_likelihood_ratio(ones, jnp.ones((4, 2)), ones / 2, least=0.0)
    with pytest.raises(Refused, match="covariance is singular in float32: leave out statistics"):
        risk_of_means(jnp.ones((2, 2)), 5)
    with pytest.raises(Refused, match="variance must be a finite number of at least 0"):
        optimal_gaussian_noise(-ones, 5, 0.6)
    with pytest.raises(Refused, match=r"squared_shifts need one number a statistic, \(2,\), got"):
        optimal_gaussian_noise(ones, 5, 0.6, jnp.ones(3))
    with pytest.raises(Refused, match=r"max_auc must lie above .5 and below 1, got 0.5"):
        optimal_gaussian_noise(ones, 5, 0.5)


def test_it_compiles():
    released, people, p = pool(30, 0.05, 1)
    found = jax.jit(lambda *args: membership_from_frequencies(*args, POOL, 0.05))
    np.testing.assert_allclose(
        found(released, people, p), membership_from_frequencies(released, people, p, POOL, 0.05),
        rtol=1e-5, atol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize("noise", [1e-6, 1e-4, 1e-2, 0.1, 10.0])
def test_laplace_noise_of_any_size_against_quadrature(noise):
    """A density by convolution in float64; without noise to speak of it is the normal one."""
    pool_size, variance = 100, 0.24
    base, scale = (variance / pool_size) ** 0.5, noise / 2**0.5
    nodes, weights = np.polynomial.legendre.leggauss(2000)

    def log_density(z):
        ends = sorted({min(max(z, -9 * base), 9 * base), -9 * base, 9 * base})
        total = 0.0
        for low, high in pairwise(ends):
            at = (high + low) / 2 + (high - low) / 2 * nodes
            total += (high - low) / 2 * weights @ (stats.norm.pdf(at, 0, base) * bump(z - at))
        return np.log(total)

    def bump(away):
        return stats.laplace.pdf(away, 0, scale)

    args = jnp.array([0.43]), jnp.ones((1, 1)), jnp.array([0.4]), jnp.array([variance]), pool_size
    found = float(membership_from_means(*args, noise, "laplace")[0])
    if noise > 1e-3:
        expected = log_density(0.03 - 0.006) - log_density(0.03)
    else:
        expected = float(membership_from_means(*args)[0])
        bare = risk_of_means(jnp.array([variance]), pool_size).separation
        risk = risk_of_means(jnp.array([variance]), pool_size, noise, "laplace")
        assert float(risk.separation) == pytest.approx(float(bare), rel=1e-3)
    assert found == pytest.approx(expected, rel=2e-3, abs=2e-6)


def test_noise_that_is_not_needed_has_a_derivative():
    variance = jnp.array([0.25, 0.001])
    slopes = jax.grad(lambda own: optimal_gaussian_noise(own, 10, 0.6).sum())(variance)
    assert jnp.isfinite(slopes).all()
