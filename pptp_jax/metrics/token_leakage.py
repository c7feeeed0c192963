"""The leakage of each token: its log-probability in IN models against OUT models."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real

from pptp_jax.validation import Refused


class TokenLeakage(NamedTuple):
    """The leakage of the tokens of some examples; NaN where it is unknown.

    Attributes:
        inside: the mean log p of each token in the models that have its example as a member.
        outside: the same in the models that do not.
        leakage: their difference in deviations, as `token_leakage` has it.

    Examples:
        >>> one = np.zeros((1, 3))
        >>> TokenLeakage(inside=one, outside=one - 2, leakage=one + 4).leakage.max()
        np.float64(4.0)
    """

    inside: Float[np.ndarray, "examples tokens"]
    outside: Float[np.ndarray, "examples tokens"]
    leakage: Float[np.ndarray, "examples tokens"]


def token_leakage(
    token_log_prob: Real[np.ndarray, "models examples tokens"],
    membership: Bool[np.ndarray, "models examples"],
    token_present: Bool[np.ndarray, "examples tokens"] | None = None,
) -> TokenLeakage:
    r"""Computes how much each token reveals about the membership of its sequence.

    With \(\ell\) the log-probability of token \(t\) of example \(x\), it is the gap of two means,
    over IN and over OUT models, in deviations of the OUT models:

    \[\frac{\operatorname{mean}_{\text{in}}\ell_{xt} - \operatorname{mean}_{\text{out}}\ell_{xt}}
    {s_{xt}}, \qquad s_{xt}^2 = \tfrac12 \big(v_{xt} + \bar v_x\big)\]

    \(v_{xt}\) is the variance over OUT models, and \(\bar v_x\) its mean over the tokens of the
    example. Few models tell a variance badly, and all models agree on some tokens: half of the
    mean keeps the quotient from being large by a small denominator alone. Where a token gives
    nothing away, the gap varies by \(\sqrt{1/a + 1/b}\) of the token's own deviations, for \(a\)
    models with the example and \(b\) without.

    Args:
        token_log_prob: log p of each token.
        membership: who is a member of which model.
        token_present: where there is a token; None if everywhere.

    Returns:
        Both means and the leakage. They are NaN at places without a token, the mean of no models
        is, and the leakage is with fewer than one IN or two OUT models.

    Raises:
        ValueError: if the shapes do not fit each other.

    Examples:
        >>> log_p = np.array([[[-0.1, -1.0]], [[-0.3, -1.2]], [[-3.0, -1.0]], [[-5.0, -1.2]]])
        >>> found = token_leakage(log_p, np.array([[True], [True], [False], [False]]))
        >>> print(found.leakage.round(1))
        [[3.1 0. ]]
    """
    shape = token_log_prob.shape
    if len(shape) != 3 or membership.shape != shape[:2]:
        raise Refused(
            "token_log_prob must be of shape (models, examples, tokens) and membership of the "
            f"first two of these, got {shape} and {membership.shape}"
        )
    there = np.ones(shape[1:], bool) if token_present is None else token_present
    if there.shape != shape[1:]:
        raise Refused(
            f"token_present must be of shape (examples, tokens), {shape[1:]}, got {there.shape}"
        )
    log_p = np.where(there, token_log_prob, np.nan).astype(np.float64)
    with np.errstate(invalid="ignore"):  # what is impossible to some models has no deviation
        inside, outside = (_per_example(log_p, kind, spare=0) for kind in (membership, ~membership))
        own = _per_example(np.square(log_p - outside), ~membership, spare=1)
        known = np.isfinite(own)
        count = np.maximum(known.sum(axis=1, keepdims=True), 1)
        mean = np.where(known, own, 0.0).sum(axis=1, keepdims=True) / count
        gap, deviation = inside - outside, np.sqrt((own + mean) / 2)
        with np.errstate(divide="ignore"):  # models that agree to the last bit
            leakage = np.where((gap == 0) & (deviation == 0), 0.0, gap / deviation)
    return TokenLeakage(inside, outside, leakage)


def _per_example(
    values: Float[np.ndarray, "models examples tokens"],
    chosen: Bool[np.ndarray, "models examples"],
    spare: int,
) -> Float[np.ndarray, "examples tokens"]:
    """The sum over the chosen models by their number less `spare`; NaN where that is 0 or less."""
    total = np.where(chosen[..., None], values, 0.0).sum(axis=0)
    total[np.isnan(values).all(axis=0)] = np.nan  # no token
    number = chosen.sum(axis=0)[:, None] - spare
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
