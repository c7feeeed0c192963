"""The result of an audit: a lower bound on ε."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Real

from pptp_jax.validation import Refused, fraction

# What a bound supposes of the training: nothing beside (ε, δ), or that it is μ-Gaussian-private.
Mechanism = Literal["any", "gaussian"]
MECHANISMS: tuple[Mechanism, ...] = ("any", "gaussian")


@dataclass(frozen=True, kw_only=True)
class EpsilonBound:
    """A lower bound on ε: with this confidence, the training has no smaller ε.

    It holds for the training that ran, with these canaries and this score. A bound of 0 means that
    the audit found nothing, not that the training leaks nothing.

    Attributes:
        epsilon: the bound; 0 where the audit found nothing.
        delta: the δ of the claim.
        confidence: how often such a bound holds, at least, over repetitions of the entire audit.
        evidence: the observation that the bound rests on, as text.

    Examples:
        >>> print(EpsilonBound(epsilon=1.05, delta=0, confidence=0.95, evidence="10 of 10 right"))
        ε ≥ 1.05 at δ = 0 with 95 % confidence (10 of 10 right)
    """

    epsilon: float
    delta: float
    confidence: float
    evidence: str

    def __str__(self) -> str:
        return (
            f"ε ≥ {self.epsilon:.3g} at δ = {self.delta:g} with {100 * self.confidence:g} % "
            f"confidence ({self.evidence})"
        )


def check_level(delta: float, confidence: float) -> None:
    """Refuses a δ outside [0, 1] and a confidence that is not between 0 and 1."""
    fraction(delta=delta, confidence=confidence)
    if not 0.5 <= confidence < 1:
        raise Refused(f"confidence must lie between 0.5 and 1, 1 excluded, got {confidence}")


def check_canaries(scores: Real[np.ndarray, "..."], membership: Bool[np.ndarray, "..."]) -> None:
    """Refuses scores that are not finite numbers, and membership that is not boolean."""
    if scores.shape != membership.shape:
        raise Refused(
            f"scores and membership must have one shape, got {scores.shape} and {membership.shape}"
        )
    if membership.dtype != bool:
        raise Refused(f"membership must be boolean, got an array of {membership.dtype}")
    if not np.isfinite(scores).all():
        raise Refused(
            f"scores must be finite, {np.sum(~np.isfinite(scores))} of {scores.size} are not"
        )
