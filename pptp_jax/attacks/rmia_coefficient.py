"""The `a` of offline RMIA, chosen by attacking a shadow, whose members the attacker knows."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.population_rank import beaten, offline_reference
from pptp_jax.attacks.probabilities import (
    LogProbability,
    Probability,
    references,
    target_and_shadows,
)
from pptp_jax.metrics import auc, roc
from pptp_jax.validation import AttackUnavailable

GRID = tuple(np.round(np.linspace(0, 1, 11), 1).tolist())


def tuned_a(
    evidence: Evidence, gamma: float, probability: Probability
) -> Float[np.ndarray, " targets"]:
    """The `a` of each target with which RMIA attacks another shadow best, by AUC.

    The shadow is the one behind the target, and its references are all others: neither the target's
    answers nor its members are looked at. Of several equally good ones the smallest is taken.

    Args:
        evidence: what is held.
        gamma: how far an example must be ahead of z to beat it.
        probability: how logits become the probability of the label.

    Raises:
        AttackUnavailable: if there is no other shadow that has OUT shadows of its own.
    """
    _, known = target_and_shadows(evidence, probability, all_examples=True)
    members = evidence.shadow_membership(all_examples=True)
    shadows = len(members)
    found: dict[int, float] = {}
    for place in evidence.target_among_shadows.tolist():
        if place not in found:
            stand_in = (place + 1) % shadows
            others = [i for i in range(shadows) if i not in (place, stand_in)]
            found[place] = _best(known, members, stand_in, others, gamma)
    return np.array([found[place] for place in evidence.target_among_shadows.tolist()])


def _best(
    known: LogProbability,
    members: Bool[np.ndarray, "shadows examples"],
    attacked: int,
    others: list[int],
    gamma: float,
) -> float:
    seen = (~members[others]).any(axis=0) if others else np.zeros(members.shape[1], bool)
    truth = members[attacked][seen]
    if not truth.any() or truth.all():
        raise AttackUnavailable(
            "a is tuned by attacking a shadow with OUT shadows of its own, and there is none with "
            "members and non-members: train more models, or give a number"
        )
    rows = np.array(others)
    outside = jnp.asarray(~members[rows][:, seen])
    part = jax.tree.map(lambda array: array[rows][:, :, seen], known)
    means = references(part, [outside], jnp.array([-1]))
    own = known.log_p[attacked][None, :, seen]
    scores = {
        a: np.asarray(beaten((own - offline_reference(means, jnp.float32(a))).mean(axis=1), gamma))
        for a in GRID
    }
    return max(GRID, key=lambda a: auc(roc(scores[a][0], truth)))
