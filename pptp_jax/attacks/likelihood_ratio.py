"""The log-likelihood ratio of the target's φ under fits to the IN and the OUT shadows.

Likelihood-ratio attacks differ in the fit to the shadows and in the density that follows from it.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.alike import kinds_alike, without_target
from pptp_jax.attacks.evidence import Evidence
from pptp_jax.attacks.leave_one_out import middle

Fits = TypeVar("Fits")
Fit = TypeVar("Fit")

# Squares of what is farther out would leave the range of float32.
_FAR = 1e9


def log_ratio(
    evidence: Evidence,
    fit: Callable[..., Fits],
    without: Callable[..., Fit],
    log_density: Callable[[Float[Array, "queries attacked"], Fit], Float[Array, " attacked"]],
    *,
    centred: bool = True,
) -> Float[Array, "targets attacked"]:
    """Log p(φ; IN) − log p(φ; OUT), fitted to as many IN as OUT shadows without the target.

    Args:
        evidence: with φ.
        fit: makes of all shadows' values, and of which are chosen, what any one can be left out of.
        without: what is left of that, as `leave_out.without` and `covariances.without` do.
        log_density: of a target's values, jointly over the queries. All three are compiled in, so
            the same functions are to be given each time.
        centred: whether φ is taken relative to a value of its own example, which does not depend on
            membership. Else rounding to the digits of φ depends on which models are IN, and models
            that differ by rounding alone seem to leak. False for densities that such a shift
            changes.

    Raises:
        AttackUnavailable: with fewer than 2 IN and 2 OUT shadows for an example.

    Examples:
        >>> import numpy as np
        >>> from pptp_jax.attacks.leave_one_out import fits, without
        >>> def nearness(phi, fit):
        ...     return -jnp.square(phi - fit.mean).sum(axis=0)
        >>> membership = np.arange(8)[:, None] % 2 == 0
        >>> phi = np.float32(np.where(membership, 2.0, -2.0)[:, None])
        >>> held = Evidence.leave_one_out({"confidence": phi}, membership, targets=[0, 1])
        >>> print(log_ratio(held, fits, without, nearness))
        [[ 16.]
         [-16.]]
    """
    kinds = evidence.shadows_of("IN", at_least=2), evidence.shadows_of("OUT", at_least=2)
    own, known = (
        near(evidence.target_signal("confidence")),
        near(evidence.shadow_signal("confidence")),
    )
    if centred:
        own, known = _from_middle(own, known)
    return _log_ratio(
        fit, without, log_density, own, known, kinds, jnp.asarray(evidence.target_among_shadows)
    )


def near(phi: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """φ within the range in which its squares are finite.

    Examples:
        >>> print(near(jnp.array([[[-jnp.inf, 2.0, 1e37]]])))
        [[[-1.e+09  2.e+00  1.e+09]]]
    """
    return jnp.clip(phi, -_FAR, _FAR)


@jax.jit
def _from_middle(
    own: Float[Array, "targets queries examples"], known: Float[Array, "shadows queries examples"]
) -> tuple[Float[Array, "targets queries examples"], Float[Array, "shadows queries examples"]]:
    origin = middle(known)[None]
    return own - origin, known - origin


@partial(jax.jit, static_argnums=(0, 1, 2))
def _log_ratio(
    fit: Callable[..., Fits],
    without: Callable[..., Fit],
    log_density: Callable[[Float[Array, "queries examples"], Fit], Float[Array, " examples"]],
    own: Float[Array, "targets queries examples"],
    known: Float[Array, "shadows queries examples"],
    kinds: tuple[Bool[Array, "shadows examples"], Bool[Array, "shadows examples"]],
    itself: Int[Array, " targets"],
) -> Float[Array, "targets examples"]:
    found = kinds_alike(fit, known, kinds)

    def of_target(
        target: tuple[Float[Array, "queries examples"], Int[Array, ""]],
    ) -> Float[Array, " examples"]:
        mine, place = target
        of_in, of_out = without_target(found, without, place, known[place])
        return log_density(mine, of_in) - log_density(mine, of_out)

    return jax.lax.map(of_target, (own, itself))
