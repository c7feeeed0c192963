"""Attacks on the outputs of a model, or of a distilled student, along its training.

References:
    Liu et al., "Membership Inference Attacks by Exploiting Loss Trajectory", CCS 2022,
    https://arxiv.org/abs/2208.14933
    Li et al., "SeqMIA: Sequential-Metric Based Membership Inference Attack", CCS 2024,
    https://arxiv.org/abs/2407.15098
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.likelihood_ratio import near
from pptp_jax.attacks.lira import Variance
from pptp_jax.attacks.membership_network import Training, learned
from pptp_jax.attacks.multivariate_lira import lira_multivariate
from pptp_jax.attacks.perceptron import Perceptron
from pptp_jax.attacks.recurrent import Recurrent


def trajectory(
    evidence: Evidence,
    *,
    signal: str = "trajectory",
    hidden: Sequence[int] = (64,),
    steps: int = 1000,
    learning_rate: float = 3e-3,
    folds: int = 4,
    seed: int = 0,
) -> Float[Array, "targets attacked"]:
    """The log-odds of membership by a network that reads φ at every stop of the model's training.

    The attacker sees the scores of every checkpoint, as one who takes part in a training does, or
    who finds the checkpoints. The loss is softplus(−φ), so φ tells it, and tells small ones apart.
    By a student of the model instead, φ along the student's epochs and then that of the model, the
    scores of the finished model suffice, and examples to ask it about.

    Args:
        evidence: with the signal.
        signal: `trajectory`, or `distilled_trajectory` for a student's.
        hidden: the widths of the hidden layers.
        steps: how many batches of 256 pairs each network learns from.
        learning_rate: that of Adam.
        folds: how many networks share the targets (see `folds_of`).
        seed: what initial values and batches derive from.

    Raises:
        AttackUnavailable: if the signal is not there, or some target has no shadow with both
            members and non-members.

    Examples:
        >>> membership = np.arange(4)[:, None] % 2 == np.arange(40)[None] % 2
        >>> phi = np.stack([np.zeros((4, 40)), 3.0 * membership], axis=1)
        >>> held = Evidence.leave_one_out({"trajectory": phi[:, :, None]}, membership)
        >>> scores = trajectory(held, steps=50)
        >>> bool(scores[membership].min() > scores[~membership].max())
        True
    """
    training = Training(Perceptron((*hidden, 2)), steps, learning_rate, folds, seed)
    own = _joined(evidence.target_signal(signal))
    known = _joined(evidence.shadow_signal(signal, all_examples=True))
    labels = np.zeros(known.shape[2], int)
    return learned(evidence, own, known, labels, _compressed, training)


def distilled_trajectory(evidence: Evidence, **options: Any) -> Float[Array, "targets attacked"]:
    """`trajectory` of a student of each model, with the signal `distilled_trajectory`.

    Args:
        evidence: with the signal.
        **options: those of `trajectory`.
    """
    return trajectory(evidence, signal="distilled_trajectory", **options)


def metric_sequence(
    evidence: Evidence,
    *,
    width: int = 16,
    steps: int = 1000,
    learning_rate: float = 3e-3,
    folds: int = 4,
    seed: int = 0,
) -> Float[Array, "targets attacked"]:
    """The log-odds of membership by an LSTM with attention that reads five metrics stop by stop.

    Args:
        evidence: with `metric_trajectory`, whose metrics `pptp_jax.signals.answer_metrics` has.
        width: how many numbers the network's state has.
        steps: how many batches of 256 pairs each network learns from.
        learning_rate: that of Adam.
        folds: how many networks share the targets (see `folds_of`).
        seed: what initial values and batches derive from.

    Raises:
        AttackUnavailable: if the stops are not there, or some target has no shadow with both
            members and non-members.

    Examples:
        >>> membership = np.arange(4)[:, None] % 2 == np.arange(40)[None] % 2
        >>> seen = np.zeros((4, 2, 1, 40, 5))
        >>> seen[:, 1, 0, :, 0] = 3 * membership
        >>> held = Evidence.leave_one_out({"metric_trajectory": seen}, membership)
        >>> scores = metric_sequence(held, steps=100)
        >>> bool(scores[membership].min() > scores[~membership].max())
        True
    """
    training = Training(Recurrent(width, 2), steps, learning_rate, folds, seed)
    own = evidence.target_signal("metric_trajectory")
    known = evidence.shadow_signal("metric_trajectory", all_examples=True)
    labels = np.zeros(known.shape[3], int)
    return learned(evidence, _sequences(own), _sequences(known), labels, _compressed, training)


def lira_trajectory(
    evidence: Evidence, *, signal: str = "trajectory", variance: Variance = "auto"
) -> Float[Array, "targets attacked"]:
    """`lira_multivariate` of φ at all stops and queries of a training.

    Args:
        evidence: with the signal.
        signal: as of `trajectory`.
        variance: as in `lira_multivariate`.

    Raises:
        AttackUnavailable: if the signal is not there, or with fewer than 2 IN and 2 OUT shadows for
            an example.

    Examples:
        >>> membership = np.arange(8)[:, None] % 2 == 0
        >>> phi = np.where(membership, 2.0, -2.0) + np.arange(8)[:, None] / 8
        >>> both = np.stack([phi / 2, phi], axis=1)
        >>> held = Evidence.leave_one_out({"trajectory": both[:, :, None]}, membership)
        >>> print(lira_trajectory(held)[:, 0] > 0)
        [ True False  True False  True False  True False]
    """
    target, shadows = (
        {"confidence": np.asarray(_joined(taken(signal, all_examples=True)))}
        for taken in (evidence.target_signal, evidence.shadow_signal)
    )
    return lira_multivariate(replace(evidence, target=target, shadows=shadows), variance=variance)


def lira_distilled(evidence: Evidence, **options: Any) -> Float[Array, "targets attacked"]:
    """`lira_trajectory` of a student of each model, with the signal `distilled_trajectory`.

    Args:
        evidence: with the signal.
        **options: those of `lira_trajectory`.
    """
    return lira_trajectory(evidence, signal="distilled_trajectory", **options)


def _joined(
    signal: Float[Array, "models stops queries examples"],
) -> Float[Array, "models seen examples"]:
    """Stops and queries as one axis."""
    return signal.reshape(len(signal), -1, signal.shape[-1])


def _sequences(
    signal: Float[Array, "models stops queries examples metrics"],
) -> Float[Array, "models stops examples seen"]:
    """All metrics of all queries of an example, at each stop."""
    moved = jnp.moveaxis(signal, 2, 3)
    return moved.reshape(*moved.shape[:3], -1)


def _compressed(
    seen: Float[Array, "batch stops ..."], labels: Int[Array, " batch"]
) -> Float[Array, "batch stops ..."]:
    # As it is near 0, and as a logarithm far out: no outlier drowns what the others say.
    return jnp.arcsinh(near(seen))
