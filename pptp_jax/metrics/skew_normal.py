"""The skew-normal distribution: the likeliest one, and its upper tail in log space."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr, owens_t

# A skew-normal's skewness stays below .9953, where its shape would be infinite.
_MOST_SKEWED = 0.9
# Beyond this shape one end of the distribution is as good as an edge.
_STEEPEST = 20.0
# Below this the closed form of the tail has lost digits to cancellation, and below 1e-308 all.
_SMALL = 1e-6
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(100)
# The tail falls at least as fast as an exponential, so that e⁻⁴⁰ of it lies behind as many lengths.
_LENGTHS = 40.0


class SkewNormal(NamedTuple):
    r"""Skew-normal distributions, with density \(2 φ(z) Φ(a z) / s\) at \(z = (x - l) / s\).

    Attributes:
        location: l.
        scale: s; 0 for a constant.
        shape: a; the tail to the right is the longer one where it is above 0.

    Examples:
        >>> plain = SkewNormal(np.array(0.0), np.array(1.0), np.array(0.0))
        >>> print(plain.log_sf(np.array([-np.inf, 0.0, 40.0])).round(1).tolist())
        [0.0, -0.7, -804.6]
    """

    location: Float[np.ndarray, "*groups"]
    scale: Float[np.ndarray, "*groups"]
    shape: Float[np.ndarray, "*groups"]

    def log_sf(self, x: Real[np.ndarray, "*groups"]) -> Float[np.ndarray, "*groups"]:
        """The logarithm of the probability of more than x, also where that is below 1e-308.

        Args:
            x: numbers that broadcast with the parameters.
        """
        location, scale, shape, x = np.broadcast_arrays(*self, np.asarray(x, float))
        away = x - location
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            z = np.where(scale > 0, away / scale, np.where(away == 0, 0.0, np.inf * np.sign(away)))
        tail = ndtr(-z) + 2 * owens_t(z, shape)
        with np.errstate(divide="ignore"):
            log_tail = np.asarray(np.log(np.clip(tail, 0.0, 1.0)))
        small = (tail < _SMALL) & np.isfinite(z)
        log_tail[small] = _log_integral(z[small], shape[small])
        return np.asarray(log_tail)


def fit_skew_normal(samples: Real[np.ndarray, "*groups samples"]) -> SkewNormal:
    """The likeliest skew-normal for each group of samples, of shapes between −20 and 20.

    The search begins at the distribution with the samples' mean, variance and skewness. For the
    tails that matter here likelihood beats these moments: of strongly skewed samples the moments
    are often beyond any skew-normal.

    Args:
        samples: along the last axis, at least 3.

    References:
        Azzalini, "A Class of Distributions which Includes the Normal Ones", Scandinavian Journal of
        Statistics 12, 1985.

    Examples:
        >>> fitted = fit_skew_normal(np.random.default_rng(0).normal(3, 2, size=(2, 5000)))
        >>> print(np.exp(fitted.log_sf(np.array([3.0, 7.0]))).round(2))
        [0.5  0.02]
    """
    samples = np.asarray(samples, float)
    mean, deviation = samples.mean(axis=-1), samples.std(axis=-1)
    groups = samples.reshape(-1, samples.shape[-1])
    found = np.array(
        [
            _likeliest((own - middle) / spread) if spread > 0 else np.zeros(3)
            for own, middle, spread in zip(groups, mean.flat, deviation.flat, strict=True)
        ]
    ).reshape(*mean.shape, 3)
    location, scale, shape = np.moveaxis(found, -1, 0)
    return SkewNormal(*map(np.asarray, (mean + deviation * location, deviation * scale, shape)))


def _likeliest(samples: Float[np.ndarray, " samples"]) -> Float[np.ndarray, "3"]:
    """Location, scale and shape for samples of mean 0 and variance 1."""
    skewness = float(np.clip((samples**3).mean(), -_MOST_SKEWED, _MOST_SKEWED))
    power = abs(skewness) ** (2 / 3)
    delta = np.copysign(np.sqrt(np.pi / 2 * power / (power + (2 - np.pi / 2) ** (2 / 3))), skewness)
    scale = 1 / np.sqrt(1 - 2 / np.pi * delta**2)
    start = [-scale * delta * np.sqrt(2 / np.pi), np.log(scale), delta / np.sqrt(1 - delta**2)]

    def loss(at: Float[np.ndarray, "3"]) -> tuple[float, Float[np.ndarray, "3"]]:
        location, log_scale, shape = at
        z = (samples - location) * np.exp(-log_scale)
        log_side = log_ndtr(shape * z)
        hazard = np.exp(_log_density(shape * z) - log_side)
        slope = z - shape * hazard
        gradient = [
            -np.exp(-log_scale) * slope.mean(),
            1 - (z * slope).mean(),
            -(z * hazard).mean(),
        ]
        return log_scale + (z**2 / 2 - log_side).mean(), np.array(gradient)

    bounds = [(-5, 5), (-5, 5), (-_STEEPEST, _STEEPEST)]
    at = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", tol=1e-10).x
    return np.array([at[0], np.exp(at[1]), at[2]])


def _log_integral(
    z: Float[np.ndarray, " points"], shape: Float[np.ndarray, " points"]
) -> Float[np.ndarray, " points"]:
    """Log of the integral of the density from z on, beyond the mode.

    The logarithm of the density is concave: from z on it falls at least at the slope that it has
    there. So the integral is that over a few multiples of one over the slope.
    """
    if not z.size:
        return z
    slope = z - shape * np.exp(_log_density(shape * z) - log_ndtr(shape * z))
    width = _LENGTHS / slope
    places = z[:, None] + width[:, None] * (_NODES + 1) / 2
    log_density = np.log(2) + _log_density(places) + log_ndtr(shape[:, None] * places)
    first = log_density.max(axis=1)
    summed = (np.exp(log_density - first[:, None]) * _WEIGHTS).sum(axis=1)
    found: Float[np.ndarray, " points"] = first + np.log(summed * width / 2)
    return found


def _log_density(z: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    return -(z**2) / 2 - np.log(2 * np.pi) / 2
