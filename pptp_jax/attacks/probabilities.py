"""The probability of the label, and its leave-one-out means over shadows.

All in logarithms, of p and of 1 − p, so that nothing is lost next to 0 or next to 1.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.tasks import Signal
from pptp_jax.validation import one_of

Probability = Literal["softmax", "taylor"]


class LogProbability(NamedTuple):
    """Log p and log (1 − p) of a probability; the second is None for a likelihood."""

    log_p: Float[Array, "models queries examples"]
    log_q: Float[Array, "models queries examples"] | None


def target_and_shadows(
    evidence: Evidence, probability: Probability, *, all_examples: bool = False
) -> tuple[LogProbability, LogProbability]:
    """The log-probability of each example under the targets and under the shadows.

    Args:
        evidence: with `log_prob`; or with φ, or logits and labels.
        probability: of a label, `softmax` or `taylor` (see `taylor_margin`).
        all_examples: whether the shadows' are taken on all examples there are.

    Raises:
        AttackUnavailable: if the signal is not there.
        Refused: if the probability is unknown.
    """
    one_of(("softmax", "taylor"), probability=probability)
    signal = TAYLOR if probability == "taylor" else evidence.log_prob_order
    own = evidence.target_signal(signal)
    known = evidence.shadow_signal(signal, all_examples=all_examples)
    if signal == "log_prob":
        return LogProbability(own, None), LogProbability(known, None)
    return _of_log_odds(own), _of_log_odds(known)


def _of_log_odds(phi: Float[Array, "models queries examples"]) -> LogProbability:
    return LogProbability(-jax.nn.softplus(-phi), -jax.nn.softplus(phi))


@partial(jax.jit, static_argnames=("order",))
def taylor_margin(
    logits: Float[Array, "models queries examples classes"],
    labels: Int[Array, " examples"],
    *,
    margin: float = 0.6,
    order: int = 4,
    temperature: float = 2.0,
) -> Float[Array, "models queries examples"]:
    """The log-odds of the label by SM-Taylor-Softmax, the RMIA paper's alternative to softmax.

    p_y = t(z_y − m) / (t(z_y − m) + Σ_{i≠y} t(z_i)), where z are logits over the temperature, m is
    the margin and t(z) = 1 + z + ... + z^(n−1)/(n−1)! are the first n terms of e^z. What is below
    1e-6 counts as 1e-6: with an even number of terms t falls below 0 where z is far below 0, and
    the published code then takes negative numbers for probabilities.

    Examples:
        >>> odds = taylor_margin(jnp.zeros((1, 1, 1, 2)), jnp.array([0]), margin=0.0)
        >>> print(odds)
        [[[0.]]]
    """
    z = logits / temperature
    label = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)[None, None]
    z = jnp.where(label, z - margin, z)
    terms = jnp.maximum(sum(z**k / math.factorial(k) for k in range(order)), 1e-6)
    of_label = jnp.where(label, terms, 0).sum(axis=-1)
    return jnp.log(of_label) - jnp.log(jnp.where(label, 0, terms).sum(axis=-1))


TAYLOR = Signal(
    name="taylor_margin",
    axes=("models", "queries", "examples"),
    access="scores",
    derive=lambda logits, labels: taylor_margin(logits, labels),
)


class _Sum(NamedTuple):
    """A sum of exponentials, as a multiple of the largest of them: that of equal ones is exact."""

    log_largest: Float[Array, "queries examples"]
    multiple: Float[Array, "queries examples"]

    def log_mean(self, count: Float[Array, " examples"]) -> Float[Array, "queries examples"]:
        return self.log_largest + jnp.log(self.multiple / count[None])


class _Sums(NamedTuple):
    """The sum over models, which of them is the largest, and the sum without it."""

    full: _Sum
    largest: Int[Array, "queries examples"]
    rest: _Sum


def _sums(
    values: Float[Array, "models queries examples"], chosen: Bool[Array, "models examples"]
) -> _Sums:
    masked = jnp.where(chosen[:, None], values, -jnp.inf)
    largest = masked.argmax(axis=0)
    models = jnp.arange(len(values))[:, None, None]
    return _Sums(_sum(masked), largest, _sum(jnp.where(models == largest[None], -jnp.inf, masked)))


def _sum(values: Float[Array, "models queries examples"]) -> _Sum:
    log_largest = values.max(axis=0)
    finite = jnp.where(jnp.isfinite(log_largest), log_largest, 0.0)
    return _Sum(log_largest, jnp.exp(values - finite[None]).sum(axis=0))


def _without(sums: _Sums, model: Int[Array, ""], value: Float[Array, "queries examples"]) -> _Sum:
    # All but the largest are at most half of the sum: nothing cancels.
    full, at_largest = sums.full, sums.largest == model
    less = full.multiple - jnp.minimum(jnp.exp(value - full.log_largest), 0.5 * full.multiple)
    return _Sum(
        jnp.where(at_largest, sums.rest.log_largest, full.log_largest),
        jnp.where(at_largest, sums.rest.multiple, less),
    )


@jax.jit
def references(
    known: LogProbability,
    kinds: Sequence[Bool[Array, "shadows examples"]],
    itself: Int[Array, " targets"],
) -> Float[Array, "targets queries examples"]:
    """Log of the probability to be expected: the mean over each kind of shadows, all kinds alike.

    Args:
        known: the shadows' probabilities.
        kinds: which shadows are of a kind, IN or OUT.
        itself: which shadow each target is itself, and must do without; −1 for none.

    Examples:
        >>> half = jnp.log(jnp.full((3, 1, 1), 0.5))
        >>> every = jnp.ones((3, 1), bool)
        >>> found = references(LogProbability(half, half), [every], jnp.array([0, -1]))
        >>> print(jnp.exp(found[:, 0, 0]))
        [0.5 0.5]
    """
    parts = [part for part in known if part is not None]
    found = [(chosen, [_sums(part, chosen) for part in parts]) for chosen in kinds]

    def of_target(place: Int[Array, ""]) -> Float[Array, "queries examples"]:
        means = []
        for chosen, sums in found:
            there = chosen[place] & (place >= 0)
            count = (chosen.sum(axis=0) - there.astype(jnp.int32)).astype(known.log_p.dtype)
            log_p, *rest = (
                jnp.where(
                    there[None],
                    _without(own, place, part[place]).log_mean(count),
                    own.full.log_mean(count),
                )
                for own, part in zip(sums, parts, strict=True)
            )
            for log_q in rest:
                # Next to 1 the mean of 1 − p is the more precise one.
                log_p = jnp.where(log_p < log_q, log_p, jnp.log1p(-jnp.exp(log_q)))
            means.append(log_p)
        total = means[0]
        for mean in means[1:]:
            total = jnp.logaddexp(total, mean)
        return total - math.log(len(means))

    return jax.lax.map(of_target, itself)
