"""Rate-distortion: the least information of a release on a secret, at a price of distortion."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pptp_jax.validation import Refused, at_least, not_negative


class RateDistortion(NamedTuple):
    """The best channel from a secret to a release.

    Attributes:
        channel: the probability of each release, for each secret.
        information: I(secret; release), in nats.
        distortion: the mean distortion.
    """

    channel: Float[np.ndarray, "secrets releases"]
    information: float
    distortion: float


def blahut_arimoto(
    prior: Float[np.ndarray, " secrets"],
    distortion: Float[np.ndarray, "secrets releases"],
    weight: float,
    rounds: int = 2000,
) -> RateDistortion:
    r"""Minimises information plus weighted distortion over all channels, by Blahut and Arimoto.

    It is the defender's problem against an attacker who answers with the posterior, where both play
    for cross-entropy: \(\min I(b; r) + w E[\ell(b, r)]\). No generator of noise can do better.

    Args:
        prior: the probability of each secret.
        distortion: what each release costs at each secret.
        weight: w, of distortion against nats.
        rounds: how often channel and releases are improved in turn.

    Raises:
        ValueError: if the prior is none, shapes disagree, or a cost is not finite.

    References:
        Blahut, "Computation of channel capacity and rate-distortion functions", IEEE Transactions
        on Information Theory 1972; Arimoto, 1972

    Examples:
        A fair bit, at Hamming distortion D, has rate ln 2 − h(D):

        >>> found = blahut_arimoto(np.array([0.5, 0.5]), 1 - np.eye(2), weight=2.0)
        >>> d = found.distortion
        >>> round(d, 3), round(found.information, 3)
        (0.119, 0.328)
        >>> round(float(np.log(2) + d * np.log(d) + (1 - d) * np.log(1 - d)), 3)
        0.328
    """
    at_least(1, rounds=rounds)
    not_negative(weight=weight)
    prior, cost = np.asarray(prior, float), np.asarray(distortion, float)
    if cost.ndim != 2 or prior.shape != cost.shape[:1] or not cost.size:
        raise Refused(
            "distortion needs one row a secret and prior one probability, got shapes "
            f"{cost.shape} and {prior.shape}"
        )
    if not np.isfinite(cost).all():
        raise Refused("distortion must be finite: leave forbidden releases out or make them dear")
    if not ((prior > 0).all() and np.isclose(prior.sum(), 1)):
        raise Refused("prior must hold positive probabilities that add up to 1")
    # Rows may be shifted by a constant each, and then nothing underflows for both ends.
    kernel = np.exp(-weight * (cost - cost.min(axis=1, keepdims=True)))
    output = np.full(cost.shape[1], 1 / cost.shape[1])
    for _ in range(rounds):
        channel = output * kernel
        channel /= channel.sum(axis=1, keepdims=True)
        output = prior @ channel
    joint = prior[:, None] * channel
    ratio = np.divide(channel, output, out=np.ones_like(channel), where=channel > 0)
    information = float((joint * np.log(ratio)).sum())
    return RateDistortion(channel, information, float((joint * cost).sum()))
