"""Attack-P and Attack-R: how the target's loss ranks among other losses.

References:
    Ye et al., "Enhanced Membership Inference Attacks against Machine Learning Models", CCS 2022,
    https://arxiv.org/abs/2111.09679
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.population_rank import beaten
from pptp_jax.attacks.query_mean import goodness_of_fit


def attack_p(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The share of the population on which the target's loss is at least as large as on x.

    The scores of one target rank as its losses do; those of several targets, each measured by its
    own population, come to one scale. The published attack takes a population of known non-members:
    give it as the evidence's population. Without one, all examples under attack serve.

    Args:
        evidence: with `log_prob` or φ; several queries are joined by their mean loss.

    Examples:
        >>> import numpy as np
        >>> phi, membership = np.float32([[[0.0, 5.0]]]), np.array([[False, True]])
        >>> print(attack_p(Evidence.leave_one_out({"confidence": phi}, membership)))
        [[0.5 1. ]]
    """
    mask = evidence.population
    population = None if mask is None else jnp.asarray(np.flatnonzero(mask))
    return beaten(goodness_of_fit(evidence), 1.0, population)


def attack_r(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The share of the OUT shadows that fit x worse than the target does; ties count half.

    Where it costs no example more than a quarter of its OUT shadows, or one, all examples have as
    many of them, the first in the order of the models: in a balanced fleet that is attacked model
    by model, shares of 8 are those of the target's members and shares of 7 those of the others,
    which gave a balanced accuracy of .55 where the confidences carried no information.

    Args:
        evidence: with `log_prob` or φ.

    Returns:
        The scores, averaged over the queries, from 0 to 1.

    Raises:
        AttackUnavailable: with no OUT shadow for an example.

    Examples:
        >>> import numpy as np
        >>> phi = np.float32([2.0, 1.0, 3.0]).reshape(3, 1, 1)
        >>> membership = np.array([[True], [False], [False]])
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0])
        >>> print(attack_r(held))
        [[0.5]]
    """
    outside = evidence.shadows_of("OUT", at_least=1)
    order = evidence.log_prob_order
    own, known = evidence.target_signal(order), evidence.shadow_signal(order)
    return _share_below(own, known, outside, jnp.asarray(evidence.target_among_shadows))


@jax.jit
def _share_below(
    own: Float[Array, "targets queries examples"],
    known: Float[Array, "shadows queries examples"],
    outside: Bool[Array, "shadows examples"],
    itself: Int[Array, " targets"],
) -> Float[Array, "targets examples"]:
    shadows = jnp.arange(len(known))[:, None]

    def of_target(
        target: tuple[Float[Array, "queries examples"], Int[Array, ""]],
    ) -> Float[Array, " examples"]:
        mine, place = target
        helps = outside & (shadows != place)
        count = helps.sum(axis=0)
        fewest, most = count.min(), count.max()
        number = jnp.where(most - fewest <= jnp.maximum(1, most // 4), fewest, count)
        helps &= jnp.cumsum(helps, axis=0) <= number[None]
        below = (known < mine[None]).astype(mine.dtype) + (known == mine[None]).astype(
            mine.dtype
        ) / 2
        share = below.sum(axis=0, where=helps[:, None]) / number.astype(mine.dtype)[None]
        return share.mean(axis=0)

    return jax.lax.map(of_target, (own, itself))
