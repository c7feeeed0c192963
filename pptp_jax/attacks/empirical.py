"""Attack-P and Attack-R: how the target's loss ranks among other losses.

References:
    Ye et al., "Enhanced Membership Inference Attacks against Machine Learning Models", CCS 2022,
    https://arxiv.org/abs/2111.09679
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.beaten import beaten
from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.leave_out import stand_ins


def attack_p(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The share of the population on which the target's loss is at least as large as on x.

    The scores of one target rank as its losses do; those of several targets, each measured by its
    own population, come to one scale. The published attack takes a population of known non-members:
    give it as the evidence's population. Without one, all examples under attack serve.

    Args:
        evidence: with φ; several queries are joined by their mean loss.

    Examples:
        >>> import numpy as np
        >>> phi, membership = np.float32([[[0.0, 5.0]]]), np.array([[False, True]])
        >>> print(attack_p(Evidence(signals={"confidence": phi}, membership=membership)))
        [[0.5 1. ]]
    """
    negated = -jax.nn.softplus(-evidence.own("confidence")).mean(axis=1)
    mask = evidence.population
    population = None if mask is None else jnp.asarray(np.flatnonzero(mask))
    return beaten(negated, 1.0, population)


def attack_r(evidence: Evidence) -> Float[Array, "targets attacked"]:
    """The share of the OUT shadows that fit x worse than the target does; ties count half.

    In a balanced fleet that is attacked model by model, one OUT shadow of the target's members is
    left out (see `stand_ins`): shares of 8 and shares of 7 are other numbers, which told members by
    a balanced accuracy of .55 where the confidences told nothing.

    Args:
        evidence: with φ.

    Returns:
        The scores, averaged over the queries, from 0 to 1.

    Raises:
        ValueError: with no OUT shadow for an example.

    Examples:
        >>> import numpy as np
        >>> phi = np.float32([2.0, 1.0, 3.0]).reshape(3, 1, 1)
        >>> membership = np.array([[True], [False], [False]])
        >>> held = Evidence(signals={"confidence": phi}, membership=membership, targets=[0])
        >>> print(attack_r(held))
        [[0.5]]
    """
    outside = evidence.shadows_of("OUT", at_least=1)
    own, known = evidence.own("confidence"), evidence.known("confidence")
    itself = evidence.itself
    spare = stand_ins(evidence.members(), itself, np.asarray(known))
    return _share_below(own, known, outside, jnp.asarray(itself), spare.who)


@jax.jit
def _share_below(
    own: Float[Array, "targets queries examples"],
    known: Float[Array, "shadows queries examples"],
    outside: Bool[Array, "shadows examples"],
    itself: Int[Array, " targets"],
    stand_in: Int[Array, "targets examples"],
) -> Float[Array, "targets examples"]:
    numbers = jnp.arange(len(known))[:, None]

    def of_target(
        target: tuple[Float[Array, "queries examples"], Int[Array, ""], Int[Array, " examples"]],
    ) -> Float[Array, " examples"]:
        mine, place, spare = target
        helps = outside & (numbers != place) & (numbers != spare[None])
        below = (known < mine[None]).astype(mine.dtype) + (known == mine[None]).astype(
            mine.dtype
        ) / 2
        share = below.sum(axis=0, where=helps[:, None]) / helps.sum(axis=0).astype(mine.dtype)[None]
        return share.mean(axis=0)

    return jax.lax.map(of_target, (own, itself, stand_in))
