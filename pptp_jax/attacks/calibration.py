"""Calibrated loss: the target's loss relative to the shadows' loss on the same example."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.leave_one_out import fits, without


def calibration_watson(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """mean_out ℓ − ℓ: the mean loss of the OUT shadows minus the target's.

    Args:
        evidence: with `log_prob` or φ.

    Returns:
        The scores, averaged over the queries.

    Raises:
        AttackUnavailable: with no OUT shadow for an example.

    References:
        Watson et al., "On the Importance of Difficulty Calibration in Membership Inference
        Attacks", ICLR 2022, https://arxiv.org/abs/2111.08440

    Examples:
        >>> import numpy as np
        >>> phi = np.float32([[[4.0]], [[0.0]]])
        >>> membership = np.array([[True], [False]])
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
        >>> print(calibration_watson(held).round(3))
        [[0.675]]
    """
    outside = evidence.shadows_of("OUT", at_least=1)
    return _calibrated(evidence, [outside])


def calibration_sablayrolles(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """(mean_in ℓ + mean_out ℓ)/2 − ℓ: the loss, set against a threshold of the example's own.

    Args:
        evidence: with `log_prob` or φ.

    Returns:
        The scores, averaged over the queries.

    Raises:
        AttackUnavailable: with no IN or no OUT shadow for an example.

    References:
        Sablayrolles et al., "White-box vs Black-box: Bayes Optimal Strategies for Membership
        Inference", ICML 2019, https://arxiv.org/abs/1908.11229

    Examples:
        >>> import numpy as np
        >>> phi = np.float32([[[4.0]], [[4.0]], [[0.0]]])
        >>> membership = np.array([[True], [True], [False]])
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
        >>> print(calibration_sablayrolles(held).round(3))
        [[0.337]]
    """
    inside = evidence.shadows_of("IN", at_least=1)
    return _calibrated(evidence, [inside, evidence.shadows_of("OUT", at_least=1)])


def _calibrated(
    evidence: Evidence, kinds: list[Bool[Array, "shadows attacked"]]
) -> Float[Array, "targets attacked"]:
    own, known = evidence.target_signal("log_prob"), evidence.shadow_signal("log_prob")
    return above_the_means(own, known, kinds, jnp.asarray(evidence.target_among_shadows))


@jax.jit
def above_the_means(
    own: Float[Array, "targets queries examples"],
    known: Float[Array, "shadows queries examples"],
    kinds: list[Bool[Array, "shadows examples"]],
    itself: Int[Array, " targets"],
) -> Float[Array, "targets examples"]:
    """The excess of the targets' values over those of some shadows, averaged over the queries.

    Args:
        own: the targets' values.
        known: the shadows'.
        kinds: sets of shadows, whose means are averaged.
        itself: which shadow each target is, to be left out; −1 for none.
    """
    found = [fits(known, chosen) for chosen in kinds]

    def of_target(
        target: tuple[Float[Array, "queries examples"], Int[Array, ""]],
    ) -> Float[Array, " examples"]:
        mine, place = target
        means = [
            without(fit, place, known[place], chosen[place] & (place >= 0)).mean
            for fit, chosen in zip(found, kinds, strict=True)
        ]
        return (mine - sum(means) / len(means)).mean(axis=0)

    return jax.lax.map(of_target, (own, itself))
