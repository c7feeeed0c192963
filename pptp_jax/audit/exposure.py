"""Exposure: how far above random fillings of its template a model ranks a secret."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real

from pptp_jax.metrics.skew_normal import fit_skew_normal
from pptp_jax.validation import Refused, at_least

# Three parameters from fewer scores say little of a tail.
_LEAST = 16


class Exposure(NamedTuple):
    """Exposure in bits.

    Attributes:
        bits: of each secret; 0 for the least likely filling, about 1.44 for a random one.
        most: what a secret has that is likelier than all others of its space, log₂ |R|.
        capped: where the fit gave more than that. Such secrets have `most` bits.

    Examples:
        >>> exposure_by_rank(np.array(-1.0), np.array([-2.0, -3.0, -4.0])).most
        2.0
    """

    bits: Float[np.ndarray, "*secrets"]
    most: float
    capped: Bool[np.ndarray, "*secrets"]


def exposure_by_rank(
    scores: Real[np.ndarray, "*secrets"], fillings: Real[np.ndarray, "*secrets fillings"]
) -> Exposure:
    r"""The exposure \(\log_2 |R| - \log_2 \mathrm{rank}\) of secrets, by counting.

    Exact where `fillings` are all others of the space. R are these fillings and the secret. Equal
    scores share their ranks, so a model that tells no filling from another gives about 1 bit.

    Args:
        scores: of the secrets: log-probabilities, or others that are larger for what a model finds
            likelier.
        fillings: scores of other fillings of each secret's template.

    Returns:
        The exposures; none is capped.

    Raises:
        ValueError: if the shapes do not fit, or a score is not finite.

    References:
        Carlini, Liu, Erlingsson, Kos and Song, "The Secret Sharer: Evaluating and Testing
        Unintended Memorization in Neural Networks", USENIX Security 2019,
        https://arxiv.org/abs/1802.08232

    Examples:
        One of three others is likelier, so the rank is 2 of 4.

        >>> print(exposure_by_rank(np.array(-2.0), np.array([-1.0, -3.0, -4.0])).bits)
        1.0
    """
    _check(scores, fillings)
    own = scores[..., None]
    above, equal = (fillings > own).sum(axis=-1), (fillings == own).sum(axis=-1)
    most = float(np.log2(fillings.shape[-1] + 1))
    bits = most - np.log2(1 + above + equal / 2)
    return Exposure(np.asarray(bits), most, np.zeros(scores.shape, bool))


def exposure_by_fit(
    scores: Real[np.ndarray, "*secrets"],
    fillings: Real[np.ndarray, "*secrets fillings"],
    space: int,
) -> Exposure:
    r"""The exposure of secrets by a skew-normal fit, where the space is too large to count.

    A skew-normal distribution is fitted to the scores of random fillings, by likelihood, and the
    exposure is \(-\log_2 \Pr[\text{score} > s]\) under it. The tail is computed in log space: where
    a secret is so likely that the probability underflows, the exposure stays large. A fit knows
    nothing of the size of the space, so that it can give more than \(\log_2 |R|\); such values are
    cut to it, and `capped` says where. Between random fillings, and up to a few bits beyond, the
    values are as good as counting; far beyond they trust in the shape of the tail.

    Args:
        scores: of the secrets, larger for what a model finds likelier.
        fillings: scores of random fillings of each secret's template, at least 16.
        space: |R|, how many fillings there are.

    Raises:
        ValueError: if the shapes do not fit, a score is not finite, or there are too few fillings
            or more than the space has.

    References:
        Carlini, Liu, Erlingsson, Kos and Song, "The Secret Sharer: Evaluating and Testing
        Unintended Memorization in Neural Networks", USENIX Security 2019,
        https://arxiv.org/abs/1802.08232

    Examples:
        >>> fillings = np.random.default_rng(0).normal(-14, 1, size=(2, 400))
        >>> found = exposure_by_fit(np.array([-12.0, -0.1]), fillings, space=10**6)
        >>> print(found.bits.round(1), found.capped)
        [ 5.7 19.9] [False  True]
    """
    _check(scores, fillings)
    number = fillings.shape[-1]
    at_least(_LEAST, fillings=number)
    if number > space:
        raise Refused(f"there are {number} fillings, more than the space of {space} has")
    most = math.log2(space)
    bits = -fit_skew_normal(fillings).log_sf(scores) / np.log(2)
    return Exposure(np.minimum(bits, most) + 0.0, most, np.asarray(bits > most))


def _check(scores: np.ndarray, fillings: np.ndarray) -> None:
    if fillings.ndim < 1 or fillings.shape[:-1] != scores.shape or not fillings.size:
        raise Refused(
            f"fillings must have the shape of scores and one axis more, {scores.shape} and some "
            f"fillings, got {fillings.shape}"
        )
    if not (np.isfinite(scores).all() and np.isfinite(fillings).all()):
        raise Refused("scores and fillings must be finite: leave diverged models out")
