"""Extraction: does a model, given a prefix, generate its continuation in the training data?"""

import math

import numpy as np
from jaxtyping import Bool, Float, Real

from pptp_jax.validation import Refused, at_least, fraction


def greedily_extracted(
    token_first: Bool[np.ndarray, "*examples tokens"],
    token_present: Bool[np.ndarray, "*examples tokens"],
    prefix: int = 0,
) -> Bool[np.ndarray, "*examples"]:
    """Whether greedy decoding of a prefix reproduces all that follows it.

    No text has to be generated: decoding follows the true text as long as each true token is the
    model's first choice after those before it, and `token_first` says whether it is.

    Args:
        token_first: whether each true token is the first choice, as the signal of that name.
        token_present: where there is a token. A sequence whose prefix is all that it has is not
            extracted.
        prefix: how many tokens are given.

    Raises:
        ValueError: if the shapes differ.

    References:
        Carlini et al., "Quantifying Memorization Across Neural Language Models", ICLR 2023,
        https://arxiv.org/abs/2202.07646

    Examples:
        >>> first = np.array([[False, True, True, False], [True, True, False, True]])
        >>> there = np.array([[True, True, True, False], [True, True, True, True]])
        >>> print(greedily_extracted(first, there, prefix=1))
        [ True False]
    """
    suffix = _suffix(token_first, token_present, prefix)
    return np.asarray((token_first | ~suffix).all(axis=-1) & suffix.any(axis=-1))


def suffix_log_prob(
    token_log_prob: Real[np.ndarray, "*examples tokens"],
    token_present: Bool[np.ndarray, "*examples tokens"],
    prefix: int = 0,
) -> Float[np.ndarray, "*examples"]:
    """Log of the probability that one sample from a prefix reproduces its continuation.

    Args:
        token_log_prob: log p of each true token, as the signal of that name; for another way of
            sampling than from the model's own probabilities, of `sampling_log_probs`.
        token_present: where there is a token.
        prefix: how many tokens are given.

    Raises:
        ValueError: if the shapes differ.

    Examples:
        >>> log_p = np.log([[0.1, 0.5, 0.5]])
        >>> print(np.exp(suffix_log_prob(log_p, np.ones((1, 3), bool), prefix=1)))
        [0.25]
    """
    suffix = _suffix(token_log_prob, token_present, prefix)
    return np.where(suffix, token_log_prob, 0).sum(axis=-1, dtype=np.float64)


def extracted_in_tries(
    log_prob: Real[np.ndarray, "*examples"], tries: int, probability: float = 0.5
) -> Bool[np.ndarray, "*examples"]:
    r"""Whether n samples contain a suffix with probability p: (n, p)-discoverable extraction.

    With \(p_z\) the probability of the suffix in one try, it is
    \(1 - (1 - p_z)^n \ge p\).

    Args:
        log_prob: \(\log p_z\), as `suffix_log_prob` gives it.
        tries: n.
        probability: p.

    Raises:
        ValueError: if a number is out of range.

    References:
        Hayes et al., "Measuring memorization in language models via probabilistic extraction",
        2024, https://arxiv.org/abs/2410.19482

    Examples:
        >>> print(extracted_in_tries(np.log([0.1, 0.5]), tries=2, probability=0.5))
        [False  True]
    """
    at_least(1, tries=tries)
    return np.asarray(math.log(tries) >= _log_tries(log_prob, probability))


def tries_to_extract(
    log_prob: Real[np.ndarray, "*examples"], probability: float = 0.5
) -> Float[np.ndarray, "*examples"]:
    r"""The least n, integer or not, for which n samples contain a suffix with probability p.

    \(n = \log(1 - p) / \log(1 - p_z)\), computed in log space; infinite where it exceeds 1e308.

    Args:
        log_prob: \(\log p_z\), as `suffix_log_prob` gives it.
        probability: p.

    Raises:
        ValueError: if a number is out of range.

    Examples:
        >>> print(tries_to_extract(np.log([0.5, 1e-6]), probability=0.5).round())
        [1.00000e+00 6.93147e+05]
    """
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(_log_tries(log_prob, probability)))


def _log_tries(
    log_prob: Real[np.ndarray, "*examples"], probability: float
) -> Float[np.ndarray, "*examples"]:
    fraction(probability=probability)
    if not 0 < probability < 1:
        raise Refused(f"probability must lie between 0 and 1, both excluded, got {probability}")
    log_prob = np.asarray(log_prob, np.float64)
    if not (log_prob <= 0).all():
        raise Refused("log_prob must be logarithms of probabilities, at most 0, and some are not")
    with np.errstate(divide="ignore", under="ignore"):
        missed = np.where(
            log_prob > -np.log(2), np.log(-np.expm1(log_prob)), np.log1p(-np.exp(log_prob))
        )
        # Of a small p, log(1 − p) is −p, and p itself may be too small for a float.
        log_rate = np.where(log_prob < -36, log_prob, np.log(-missed))
    return np.asarray(np.log(-np.log1p(-probability)) - log_rate)


def _suffix(
    values: np.ndarray, token_present: np.ndarray, prefix: int
) -> Bool[np.ndarray, "*examples tokens"]:
    """The places of the tokens behind the prefix."""
    at_least(0, prefix=prefix)
    if values.shape != token_present.shape:
        raise Refused(
            f"token_present must have the shape of what is known of the tokens, {values.shape}, "
            f"got {token_present.shape}"
        )
    return np.asarray(token_present & (np.arange(values.shape[-1]) >= prefix))
