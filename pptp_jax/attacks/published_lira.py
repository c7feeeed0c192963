"""LiRA as its published code computes it, to be compared with numbers that others report.

All examples have as many IN shadows: the fewest that any of them has, and the first in the order of
the models; so with OUT shadows. Medians stand for means, the scores of queries are averaged,
standard deviations are those of the sample, 1e-30 is added to them, and a "fixed variance" is that
of all IN signals together (online), or of all OUT signals (offline), whatever example they belong
to. In NumPy and float64, as published, since 1e-30 is nothing to float32 where it is squared.

References:
    Carlini et al., "Membership Inference Attacks From First Principles", 2022,
    https://arxiv.org/abs/2112.03570, and its published code.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import norm

from pptp_jax.attacks.evidence import Evidence

_LEAST = 1e-30


def published_online(
    evidence: Evidence, *, fixed_variance: bool
) -> Float[np.ndarray, "targets attacked"]:
    """The mean over queries of log N(φ; IN) − log N(φ; OUT).

    Args:
        evidence: with φ.
        fixed_variance: both standard deviations are that of all IN signals.

    Raises:
        AttackUnavailable: with fewer than 2 IN and 2 OUT shadows for an example.

    Examples:
        >>> membership = np.arange(6)[:, None] % 2 == 0
        >>> phi = np.where(membership, 2.0, -2.0)[:, None] + np.arange(6)[:, None, None] / 8
        >>> held = Evidence.leave_one_out({"confidence": np.float32(phi)}, membership)
        >>> print(published_online(held, fixed_variance=True)[:, 0] > 0)
        [ True False  True False  True False]
    """
    for kind in ("IN", "OUT"):
        evidence.shadows_of(kind, at_least=2)

    def scores(
        own: Float[np.ndarray, "queries examples"],
        known: Float[np.ndarray, "shadows queries examples"],
        members: Bool[np.ndarray, "shadows examples"],
    ) -> Float[np.ndarray, "queries examples"]:
        of_in, of_out = _first(known, members), _first(known, ~members)
        std_in = _std(of_in, fixed_variance)
        std_out = std_in if fixed_variance else _std(of_out, False)
        return norm.logpdf(own, np.median(of_in, axis=0), std_in) - norm.logpdf(
            own, np.median(of_out, axis=0), std_out
        )

    return _of_each_target(evidence, scores)


def published_offline(
    evidence: Evidence, *, fixed_variance: bool
) -> Float[np.ndarray, "targets attacked"]:
    """The mean over queries of −log N(φ; OUT).

    Args:
        evidence: with φ.
        fixed_variance: the standard deviation is that of all OUT signals.

    Raises:
        AttackUnavailable: with fewer than 2 OUT shadows for an example.

    Examples:
        >>> phi = np.float32([3.0, 0.1, -0.1]).reshape(3, 1, 1)
        >>> membership = np.array([[True], [False], [False]])
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
        >>> print(published_offline(held, fixed_variance=False).round())
        [[449.]]
    """
    evidence.shadows_of("OUT", at_least=2)

    def scores(
        own: Float[np.ndarray, "queries examples"],
        known: Float[np.ndarray, "shadows queries examples"],
        members: Bool[np.ndarray, "shadows examples"],
    ) -> Float[np.ndarray, "queries examples"]:
        of_out = _first(known, ~members)
        return -norm.logpdf(own, np.median(of_out, axis=0), _std(of_out, fixed_variance))

    return _of_each_target(evidence, scores)


def _of_each_target(
    evidence: Evidence, scores: Callable[..., Float[np.ndarray, "queries examples"]]
) -> Float[np.ndarray, "targets attacked"]:
    own, known = (
        np.asarray(phi, np.float64)
        for phi in (evidence.target_signal("confidence"), evidence.shadow_signal("confidence"))
    )
    members, shadows = evidence.shadow_membership(), np.arange(len(known))
    return np.array(
        [
            scores(mine, known[shadows != place], members[shadows != place]).mean(axis=0)
            for mine, place in zip(own, evidence.target_among_shadows, strict=True)
        ]
    )


def _first(
    known: Float[np.ndarray, "shadows queries examples"],
    chosen: Bool[np.ndarray, "shadows examples"],
) -> Float[np.ndarray, "first queries examples"]:
    """The first chosen models of each example, as many as the example with the fewest has."""
    order = np.argsort(~chosen, axis=0, kind="stable")[: chosen.sum(axis=0).min()]
    return np.take_along_axis(known, order[:, None], axis=0)


def _std(
    first: Float[np.ndarray, "first queries examples"], fixed: bool
) -> Float[np.ndarray, "*shape"]:
    return first.std(axis=None if fixed else 0) + _LEAST
