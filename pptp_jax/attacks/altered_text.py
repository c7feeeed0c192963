"""Attacks that compare a text with altered versions of itself, without shadows."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence

# What a model is certain of has no log p to divide by.
_LEAST = 1e-6


def lowercase(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """−log p of a text over log p of the same in lower case.

    A model that has learned a text knows its capitals as well. A text without any says nothing: its
    score is −1.

    Args:
        evidence: with `log_prob`, or φ, from which it follows, and `lowered_log_prob`; queries are
            averaged.

    References:
        Carlini et al., "Extracting Training Data from Large Language Models", 2021,
        https://arxiv.org/abs/2012.07805

    Examples:
        >>> import numpy as np
        >>> signals = {"log_prob": np.float32([[-1.0]]), "lowered_log_prob": np.float32([[-4.0]])}
        >>> print(lowercase(Evidence.leave_one_out(signals, np.array([[True]]))))
        [[-0.25]]
    """
    log_p = evidence.target_signal("log_prob").mean(axis=1)
    return -_ratio(log_p, evidence.target_signal("lowered_log_prob"))


def recall(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """ReCaLL: log p of a text behind a non-member prefix, over log p of the text alone.

    A member has more to lose by a context in which it was not learned.

    Args:
        evidence: with `prefixed_log_prob` and `unprefixed_log_prob`, of the same tokens; where the
            second is not there, `log_prob` or φ takes its place.

    References:
        Xie et al., "ReCaLL: Membership Inference via Relative Conditional Log-Likelihoods", 2024,
        https://arxiv.org/abs/2406.15968

    Examples:
        >>> import numpy as np
        >>> signals = {"log_prob": np.float32([[-1.0]]), "prefixed_log_prob": np.float32([[-1.5]])}
        >>> print(recall(Evidence.leave_one_out(signals, np.array([[True]]))))
        [[1.5]]
    """
    return _ratio(
        evidence.target_signal("prefixed_log_prob"), evidence.target_signal("unprefixed_log_prob")
    )


def neighbourhood(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """Log p of a text minus the mean log p of its neighbours.

    Neighbours have other tokens at some places; a text that every model finds likely has neighbours
    that are likely too.

    Args:
        evidence: with `log_prob`, or φ, from which it follows, and `neighbour_log_prob`; queries
            are averaged.

    References:
        Mattern et al., "Membership Inference Attacks against Language Models via Neighbourhood
        Comparison", 2023, https://arxiv.org/abs/2305.18462

    Examples:
        >>> import numpy as np
        >>> signals = {"log_prob": np.float32([[-3.0]]), "neighbour_log_prob": np.float32([[-5.0]])}
        >>> print(neighbourhood(Evidence.leave_one_out(signals, np.array([[True]]))))
        [[2.]]
    """
    log_p = evidence.target_signal("log_prob").mean(axis=1)
    return log_p - evidence.target_signal("neighbour_log_prob")


def _ratio(
    first: Float[Array, "targets attacked"], second: Float[Array, "targets attacked"]
) -> Float[Array, "targets attacked"]:
    """The ratio of two log-probabilities; 1 where both are 0 to rounding."""
    return jnp.minimum(first, -_LEAST) / jnp.minimum(second, -_LEAST)
