"""RMIA: how often an example's likelihood ratio beats those of the population, exactly.

The share of the population that an example beats is an empirical distribution function, so one
sort and one binary search replace the comparison of every pair.

References:
    Zarifzadeh, Liu and Shokri, "Low-Cost High-Power Membership Inference Attacks", ICML 2024,
    https://arxiv.org/abs/2312.03262
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.population_rank import beaten, offline_reference
from pptp_jax.attacks.probabilities import Probability, references, target_and_shadows
from pptp_jax.attacks.rmia_coefficient import tuned_a
from pptp_jax.validation import AttackUnavailable, fraction, one_of, positive


def rmia_online(
    evidence: Evidence, *, gamma: float = 2.0, probability: Probability = "softmax"
) -> Float[Array, "targets attacked"]:
    """Pr_z[(p(x|θ)/p(x)) / (p(z|θ)/p(z)) ≥ γ], with p(x) from IN and OUT shadows alike.

    p(x) = ½ (mean over IN + mean over OUT). Where there are as many of either, as the paper has it,
    this is the mean over all shadows. In a balanced fleet attacked model by model a member of the
    target has one IN shadow fewer than a non-member, and a plain mean over all shadows would give
    its membership away without a look at the target.

    Args:
        evidence: with `log_prob` or φ; several queries are joined by their mean log-probability.
            The examples z are its population.
        gamma: how far an example must be ahead of z to beat it.
        probability: how logits become the probability of the label.

    Returns:
        The scores, from 0 to 1.

    Raises:
        AttackUnavailable: with no IN or no OUT shadow for an example.
        Refused: if γ is not above 0.

    Examples:
        >>> import numpy as np
        >>> membership = np.array([[True, False]] * 2 + [[False, True]] * 2)
        >>> phi = np.where(membership, 3.0, -3.0)[:, None, :].astype(np.float32)
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
        >>> print(rmia_online(held))
        [[0.5 0. ]]
    """
    positive(gamma=gamma)
    kinds = [evidence.shadows_of("IN", at_least=1), evidence.shadows_of("OUT", at_least=1)]
    own, known = target_and_shadows(evidence, probability)
    expected = references(known, kinds, jnp.asarray(evidence.target_among_shadows))
    return _scores(own.log_p, expected, gamma, evidence)


def rmia_offline(
    evidence: Evidence,
    *,
    gamma: float = 2.0,
    a: float | Literal["tuned"] = 0.3,
    probability: Probability = "softmax",
) -> Float[Array, "targets attacked"]:
    """RMIA with p(x) = ½ ((1 + a) p_out(x) + (1 − a)); no IN shadow is used.

    Args:
        evidence: with `log_prob` or φ; several queries are joined by their mean log-probability.
            The examples z are its population.
        gamma: how far an example must be ahead of z to beat it.
        a: how close p_in is to p_out; the paper uses 0.3 on CIFAR-10 and 0.6 on CIFAR-100. `tuned`
            chooses it for each target by attacking one of its shadows with the others.
        probability: how logits become the probability of the label.

    Returns:
        The scores, from 0 to 1.

    Raises:
        AttackUnavailable: with no OUT shadow for an example, or where `log_prob` is a density
            above 1.
        Refused: if γ is not above 0 or `a` lies outside [0, 1].

    Examples:
        >>> import numpy as np
        >>> membership = np.array([[True, False], [False, True], [False, False]])
        >>> phi = np.where(membership, 3.0, -3.0)[:, None, :].astype(np.float32)
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
        >>> print(rmia_offline(held))
        [[0.5 0. ]]
    """
    positive(gamma=gamma)
    outside = evidence.shadows_of("OUT", at_least=1)
    own, known = target_and_shadows(evidence, probability)
    if known.log_q is None and max(own.log_p.max(), known.log_p.max()) > 0:
        raise AttackUnavailable(
            "offline RMIA takes probabilities, which are at most 1, and this log_prob is above 0"
        )
    if isinstance(a, str):
        one_of(("tuned",), a=a)
        each = tuned_a(evidence, gamma, probability)
    else:
        fraction(a=a)
        each = np.full(len(own.log_p), a)
    means = references(known, [outside], jnp.asarray(evidence.target_among_shadows))
    expected = offline_reference(means, jnp.asarray(each, means.dtype)[:, None, None])
    return _scores(own.log_p, expected, gamma, evidence)


def _scores(
    own: Float[Array, "targets queries attacked"],
    expected: Float[Array, "targets queries attacked"],
    gamma: float,
    evidence: Evidence,
) -> Float[Array, "targets attacked"]:
    mask = evidence.population
    population = None if mask is None else jnp.asarray(np.flatnonzero(mask))
    return beaten((own - expected).mean(axis=1), gamma, population)
