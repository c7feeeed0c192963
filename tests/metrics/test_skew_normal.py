"""The skew-normal tail against closed forms and quadrature, and the fit against SciPy's."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import log_ndtr

from pptp_jax.metrics.skew_normal import SkewNormal, fit_skew_normal

FAR = np.array([-40.0, -3.0, 0.0, 1.0, 4.0, 4.8, 8.0, 35.0, 300.0])


def tail(x: np.ndarray, shape: float) -> np.ndarray:
    return SkewNormal(np.array(0.0), np.array(1.0), np.array(shape)).log_sf(x)


def test_the_tail_where_it_has_a_closed_form() -> None:
    """Of the larger and of the smaller of two normal numbers, and of one."""
    one = log_ndtr(-FAR)
    np.testing.assert_allclose(tail(FAR, 0.0), one, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(tail(FAR, -1.0), 2 * one, rtol=1e-9, atol=1e-300)
    either = one + np.log(2 - np.exp(one))
    np.testing.assert_allclose(tail(FAR, 1.0), either, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("shape", [-6.0, -2.0, -0.3, 0.4, 3.0, 9.0])
def test_the_tail_is_the_integral_of_the_density(shape: float) -> None:
    for x in (-0.8, 0.5, 2.0, 6.0, 50.0):
        at = stats.skewnorm.logpdf(x, shape) if shape > 0 or x < 5 else None
        if at is None:  # SciPy's density underflows there
            at = np.log(2) - x**2 / 2 - np.log(2 * np.pi) / 2 + log_ndtr(shape * x)

        def relative(u: float, x: float = x, at: float = at) -> float:
            z = x + u
            return np.exp(np.log(2) - z**2 / 2 - np.log(2 * np.pi) / 2 + log_ndtr(shape * z) - at)

        whole = quad(relative, 0, 40, points=[1e-3, 0.01, 0.1, 1], limit=400, epsrel=1e-10)[0]
        np.testing.assert_allclose(tail(np.array(x), shape), at + np.log(whole), 1e-7, 1e-13)


def test_a_constant_is_below_all_that_is_more() -> None:
    constant = fit_skew_normal(np.full((3, 20), 2.0))
    assert constant.scale.tolist() == [0, 0, 0]
    found = constant.log_sf(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(found, [0, np.log(0.5), -np.inf])


def test_no_fit_of_scipys_is_likelier(rng: np.random.Generator) -> None:
    for shape in (3.0, -1.0, 0.0, -8.0):
        samples = stats.skewnorm.rvs(shape, 5, 2, size=300, random_state=rng)
        found = fit_skew_normal(samples)
        ours = (found.shape, found.location, found.scale)
        loss = [-stats.skewnorm.logpdf(samples, *at).mean() for at in (ours, _theirs(samples))]
        assert loss[0] <= loss[1] + 1e-7


def _theirs(samples: np.ndarray) -> tuple[float, float, float]:
    return stats.skewnorm.fit(samples)


def test_a_fit_moves_with_its_samples(rng: np.random.Generator) -> None:
    samples = stats.skewnorm.rvs(-2, size=(2, 200), random_state=rng)
    one, other = fit_skew_normal(samples), fit_skew_normal(3 * samples - 70)
    np.testing.assert_allclose(other.location, 3 * one.location - 70, rtol=1e-4)
    np.testing.assert_allclose(other.scale, 3 * one.scale, rtol=1e-3)
    np.testing.assert_allclose(other.shape, one.shape, rtol=5e-3)


def test_what_is_more_skewed_than_any_gets_a_steep_edge(rng: np.random.Generator) -> None:
    found = fit_skew_normal(rng.exponential(size=500))
    assert found.shape == pytest.approx(20) and np.isfinite(found.log_sf(np.array(5.0)))
