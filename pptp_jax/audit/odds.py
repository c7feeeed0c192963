"""φ, the log-odds of the label, from a user's losses, logits or predictions, in float64."""

import numpy as np
from jaxtyping import Bool, Float, Int

from pptp_jax.metrics import robust_scale
from pptp_jax.validation import Refused


def of_losses(
    losses: Float[np.ndarray, "models queries examples"],
) -> Float[np.ndarray, "models queries examples"]:
    """φ = log p − log (1 − p) = −ℓ − log (1 − e^−ℓ), with p = e^−ℓ.

    A loss of zero counts as half the precision that it was computed in, below which losses are
    rounded to zero. The precision is inferred from the values: float32 stored as float64 is
    float32.

    Raises:
        ValueError: if a loss is negative.

    Examples:
        >>> print(of_losses(np.array([[[89.0, np.log(2), 1e-9]]])).round(1))
        [[[-89.    0.   20.7]]]
    """
    if (losses < 0).any():
        raise Refused(
            f"losses must be cross-entropies, at least 0; the lowest is {losses.min():.4g}: "
            "hand over −log p of the label"
        )
    with np.errstate(over="ignore"):
        single = losses.dtype.kind != "f" or (losses.astype(np.float32) == losses).all()
    precision = np.finfo(np.float32) if single else np.finfo(losses.dtype)
    losses = losses.astype(np.float64)
    least = min(float(precision.eps) / 2, losses.min(where=losses > 0, initial=np.inf))
    losses = np.where(losses == 0, least, losses)
    return -losses - np.log(-np.expm1(-losses))


def of_residuals(
    residuals: Float[np.ndarray, "models queries examples"],
) -> dict[str, Float[np.ndarray, "models queries examples"]]:
    """φ = −|r / σ|^⅔ and log p = −½ (r / σ)² up to a constant, as of the task `Regression`.

    σ is the robust scale of all residuals that are not 0, as those of a tree on its members are;
    membership is not looked at.

    Raises:
        ValueError: if all residuals are 0.

    Examples:
        >>> found = of_residuals(np.array([[[0.5, -1.0, 8.0]]]))  # σ is 1.4826
        >>> print(found["confidence"].round(2), found["log_prob"].round(2))
        [[[-0.48 -0.77 -3.08]]] [[[ -0.06  -0.23 -14.56]]]
    """
    missed = residuals[residuals != 0]
    if not missed.size:
        raise Refused("all residuals are 0: no attack can tell one example from another")
    units = residuals.astype(np.float64) / robust_scale(missed)
    return {"confidence": -np.cbrt(units**2), "log_prob": -(units**2) / 2}


def of_tokens(
    log_p: Float[np.ndarray, "models queries examples tokens"],
    there: Bool[np.ndarray, "models queries examples tokens"],
) -> Float[np.ndarray, "models queries examples"]:
    """φ of a sequence, of the mean of −log p over its own tokens.

    Args:
        log_p: that of each token.
        there: False at a place without a token.

    Raises:
        ValueError: if the shapes differ, or a sequence has no token.

    Examples:
        >>> log_p, there = np.log([[[[0.09, 1.0, 0.5]]]]), np.array([[[[True, True, False]]]])
        >>> print(of_tokens(log_p, there).round(3), np.log(0.3 / 0.7).round(3))
        [[[-0.847]]] -0.847
    """
    if log_p.shape != there.shape:
        raise Refused(
            f"token_present must have the shape of token_log_prob, {log_p.shape}, got {there.shape}"
        )
    if not there.any(axis=-1).all():
        raise Refused("token_present must have a token in every sequence, and some have none")
    total = np.where(there, log_p, 0).sum(axis=-1, dtype=np.float64)
    return of_losses(-total / there.sum(axis=-1))


def base_of_tokens(
    log_p: Float[np.ndarray, "models examples tokens"],
    there: Bool[np.ndarray, "models queries examples tokens"],
) -> Float[np.ndarray, "models examples"]:
    """The mean of log p over the tokens of a sequence, for a base model with one query.

    Args:
        log_p: that of each token.
        there: False at a place without a token, in the first query.

    Raises:
        ValueError: if the numbers of tokens differ.

    Examples:
        >>> log_p, there = np.array([[[-1.0, -2.0, 0.0]]]), np.array([[[[True, True, False]]]])
        >>> print(base_of_tokens(log_p, there))
        [[-1.5]]
    """
    if log_p.shape[-1] != there.shape[-1]:
        raise Refused(
            f"base_token_log_prob must have as many tokens as token_present, {there.shape[-1]}, "
            f"got {log_p.shape[-1]}"
        )
    own = there[:, 0]
    total = np.where(own, log_p, 0).sum(axis=-1, dtype=np.float64)
    return total / np.maximum(own.sum(axis=-1), 1)


def of_logits(
    logits: Float[np.ndarray, "models queries examples classes"],
    labels: Int[np.ndarray, " examples"],
) -> Float[np.ndarray, "models queries examples"]:
    """φ = z_y − log Σ_{y'≠y} exp z_y'.

    Examples:
        >>> logits = 1e9 + np.array([[[[0.25, 0.0]]]])
        >>> print(of_logits(logits, np.array([0])), np.ptp(np.float32(logits)))
        [[[0.25]]] 0.0
    """
    of_label = np.arange(logits.shape[-1]) == labels[:, None]

    def of_model(
        own: Float[np.ndarray, "queries examples classes"],
    ) -> Float[np.ndarray, "queries examples"]:
        others = np.where(of_label, -np.inf, own)
        most = others.max(axis=-1)
        with np.errstate(over="ignore", under="ignore"):
            rest = np.exp(others - most[..., None]).sum(axis=-1)
        return np.where(of_label, own, 0).sum(axis=-1) - most - np.log(rest)

    # Model by model: float64 of all logits at once may be more than the memory holds.
    return np.stack([of_model(own) for own in logits])
