"""Signals along a training: a model's outputs at each stop, the finished model last.

References:
    Liu et al., "Membership Inference Attacks by Exploiting Loss Trajectory", CCS 2022,
    https://arxiv.org/abs/2208.14933
    Li et al., "SeqMIA: Sequential-Metric Based Membership Inference Attack", CCS 2024,
    https://arxiv.org/abs/2407.15098
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.signals.request import SignalRequest
from pptp_jax.tasks import Signal
from pptp_jax.tasks.classification import logit_scaled_confidence
from pptp_jax.validation import Refused

METRICS = ("confidence", "maximum", "deviation", "entropy", "modified entropy")


def answer_metrics(
    logits: Float[Array, "*batch classes"], labels: Int[Array, "*batch"]
) -> Float[Array, "*batch 5"]:
    """Five numbers of an answer p to an example with the label y, in the order of `METRICS`.

    φ = log p_y − log (1 − p_y); the largest probability; the standard deviation of the
    probabilities; the entropy −Σ p_i log p_i; and the modified entropy
    −(1 − p_y) log p_y − Σ_{i≠y} p_i log (1 − p_i).

    Args:
        logits: what a classifier answers.
        labels: the true classes.

    Examples:
        >>> print(answer_metrics(jnp.zeros(2), jnp.array(0)).round(3))
        [0.    0.5   0.    0.693 0.693]
    """
    log_p = jax.nn.log_softmax(logits)
    p = jnp.exp(log_p)
    own = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
    # log (1 − p_i) is log sigmoid(−φ_i), to full precision where p_i is near 1.
    every = jnp.broadcast_to(jnp.arange(logits.shape[-1]), logits.shape)
    repeated = jnp.broadcast_to(logits[..., None, :], (*logits.shape, logits.shape[-1]))
    odds = logit_scaled_confidence(repeated, every)
    modified = jnp.where(own, (1 - p) * log_p, p * jax.nn.log_sigmoid(-odds))
    numbers = (
        jnp.where(own, odds, 0).sum(axis=-1),
        p.max(axis=-1),
        p.std(axis=-1),
        -(p * log_p).sum(axis=-1),
        -modified.sum(axis=-1),
    )
    return jnp.stack(numbers, axis=-1)


def _reduced(
    answers: Float[Array, "queries classes"], targets: Int[Array, ""]
) -> Float[Array, "queries 5"]:
    return answer_metrics(answers, jnp.broadcast_to(targets, answers.shape[:-1]))


def _elsewhere(request: SignalRequest) -> Array:
    raise Refused("this signal takes training: take that of pptp_jax.training.distilled_signal()")


ANSWER_METRICS = Signal(
    name="answer_metrics",
    axes=("models", "queries", "examples", "metrics"),
    access="scores",
    at="stops",
    reduce=_reduced,
)
TRAJECTORY = Signal(
    name="trajectory",
    axes=("models", "stops", "queries", "examples"),
    access="white-box",
    along="confidence",
)
METRIC_TRAJECTORY = Signal(
    name="metric_trajectory",
    axes=("models", "stops", "queries", "examples", "metrics"),
    access="white-box",
    along="answer_metrics",
)
# What fleets with stops have without keeping it.
TRAJECTORIES = (TRAJECTORY, METRIC_TRAJECTORY)
DISTILLED_TRAJECTORY = Signal(
    name="distilled_trajectory",
    axes=("models", "stops", "queries", "examples"),
    access="scores",
    take=_elsewhere,
)
