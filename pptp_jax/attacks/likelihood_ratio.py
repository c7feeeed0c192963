"""What attacks by likelihood share: how likely the target's φ is among the IN and the OUT shadows.

They differ in what is fitted to the shadows and in the density that follows from it.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.leave_out import StandIns, left_out, stand_ins

Fits = TypeVar("Fits")
Fit = TypeVar("Fit")


def log_ratio(
    evidence: Evidence,
    fit: Callable[..., Fits],
    without: Callable[..., Fit],
    log_density: Callable[[Float[Array, "queries attacked"], Fit], Float[Array, " attacked"]],
) -> Float[Array, "targets attacked"]:
    """Log p(φ; IN) − log p(φ; OUT), fitted to the shadows without the target and its stand-in.

    Args:
        evidence: with φ.
        fit: makes of all shadows' values, and of which are chosen, what any one can be left out of.
        without: what is left of that, as `leave_out.without` and `covariances.without` do.
        log_density: of a target's values, jointly over the queries. All three are compiled in, so
            the same functions are to be given each time.

    Raises:
        ValueError: with fewer than 2 IN and 2 OUT shadows for an example.

    Examples:
        >>> from pptp_jax.attacks.leave_out import fits, without
        >>> def nearness(phi, fit):
        ...     return -jnp.square(phi - fit.mean).sum(axis=0)
        >>> membership = np.arange(8)[:, None] % 2 == 0
        >>> phi = np.float32(np.where(membership, 2.0, -2.0)[:, None])
        >>> held = Evidence(signals={"confidence": phi}, membership=membership, targets=[0, 1])
        >>> print(log_ratio(held, fits, without, nearness))
        [[ 16.]
         [-16.]]
    """
    kinds = evidence.shadows_of("IN", at_least=2), evidence.shadows_of("OUT", at_least=2)
    own, known, itself = evidence.own("confidence"), evidence.known("confidence"), evidence.itself
    spare = stand_ins(evidence.members(), itself, np.asarray(known))
    return _log_ratio(fit, without, log_density, own, known, kinds, jnp.asarray(itself), spare)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _log_ratio(
    fit: Callable[..., Fits],
    without: Callable[..., Fit],
    log_density: Callable[[Float[Array, "queries examples"], Fit], Float[Array, " examples"]],
    own: Float[Array, "targets queries examples"],
    known: Float[Array, "shadows queries examples"],
    kinds: tuple[Bool[Array, "shadows examples"], Bool[Array, "shadows examples"]],
    itself: Int[Array, " targets"],
    spare: StandIns,
) -> Float[Array, "targets examples"]:
    found = [(chosen, fit(known, chosen)) for chosen in kinds]

    def of_target(
        target: tuple[Float[Array, "queries examples"], Int[Array, ""], StandIns],
    ) -> Float[Array, " examples"]:
        mine, place, stand_in = target
        of_in, of_out = (
            log_density(
                mine,
                without(fits, *left_out(known, chosen, place, stand_in, inside=chosen is kinds[0])),
            )
            for chosen, fits in found
        )
        return of_in - of_out

    return jax.lax.map(of_target, (own, itself, spare))
