"""LiRA as its published code computes it, to be compared with numbers that others report.

Medians stand for means, the scores of queries are averaged, standard deviations are those of the
sample, 1e-30 is added to them, and a "fixed variance" is that of all IN signals together (online),
or of all OUT signals (offline), whatever example they belong to.

References:
    Carlini et al., "Membership Inference Attacks From First Principles", 2022,
    https://arxiv.org/abs/2112.03570, and its published code.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.attacks.leave_out import Fits, fits, without


class _Sorted(NamedTuple):
    """The chosen models' values in rising order, the others behind them, and each one's rank."""

    values: Float[Array, "shadows queries examples"]
    rank: Int[Array, "shadows queries examples"]
    chosen: Bool[Array, "shadows examples"]
    fits: Fits


@partial(jax.jit, static_argnums=0)
def published_online(
    pooled: bool,
    own: Float[Array, "targets queries examples"],
    known: Float[Array, "shadows queries examples"],
    inside: Bool[Array, "shadows examples"],
    outside: Bool[Array, "shadows examples"],
    itself: Int[Array, " targets"],
) -> Float[Array, "targets examples"]:
    """The mean over queries of log N(φ; IN) − log N(φ; OUT)."""
    of_in, of_out = _sorted(known, inside), _sorted(known, outside)

    def of_target(
        target: tuple[Float[Array, "queries examples"], Int[Array, ""]],
    ) -> Float[Array, " examples"]:
        mine, place = target
        std_in, std_out = (_std(of_in, known, place, pooled) for _ in range(2))
        if not pooled:
            std_out = _std(of_out, known, place, pooled)
        ratio = norm.logpdf(mine, _median(of_in, place), std_in) - norm.logpdf(
            mine, _median(of_out, place), std_out
        )
        return ratio.mean(axis=0)

    return jax.lax.map(of_target, (own, itself))


@partial(jax.jit, static_argnums=0)
def published_offline(
    pooled: bool,
    own: Float[Array, "targets queries examples"],
    known: Float[Array, "shadows queries examples"],
    outside: Bool[Array, "shadows examples"],
    itself: Int[Array, " targets"],
) -> Float[Array, "targets examples"]:
    """The mean over queries of −log N(φ; OUT)."""
    of_out = _sorted(known, outside)

    def of_target(
        target: tuple[Float[Array, "queries examples"], Int[Array, ""]],
    ) -> Float[Array, " examples"]:
        mine, place = target
        std = _std(of_out, known, place, pooled)
        return -norm.logpdf(mine, _median(of_out, place), std).mean(axis=0)

    return jax.lax.map(of_target, (own, itself))


def _sorted(
    known: Float[Array, "shadows queries examples"], chosen: Bool[Array, "shadows examples"]
) -> _Sorted:
    order = jnp.argsort(jnp.where(chosen[:, None], known, jnp.inf), axis=0)
    return _Sorted(
        jnp.take_along_axis(known, order, axis=0),
        jnp.argsort(order, axis=0),
        chosen,
        fits(known, chosen),
    )


def _median(found: _Sorted, place: Int[Array, ""]) -> Float[Array, "queries examples"]:
    """The median without one model: the ranks behind its own move up by one."""
    there = found.chosen[place] & (place >= 0)
    count = (found.fits.whole.models - there.astype(jnp.int32))[None]
    rank = jnp.where(there[None], found.rank[place], len(found.values))

    def value(at: Int[Array, "1 examples"]) -> Float[Array, "queries examples"]:
        at = at + (at >= rank).astype(at.dtype)
        return jnp.take_along_axis(found.values, at[None], axis=0)[0]

    return (value((count - 1) // 2) + value(count // 2)) / 2


def _std(
    found: _Sorted,
    known: Float[Array, "shadows queries examples"],
    place: Int[Array, ""],
    pooled: bool,
) -> Float[Array, "#queries #examples"]:
    there = found.chosen[place] & (place >= 0)
    if not pooled:
        fit = without(found.fits, place, known[place], there)
        return jnp.sqrt(fit.squares / fit.models.astype(fit.squares.dtype)[None]) + 1e-30
    where = found.chosen[:, None] & (jnp.arange(len(known)) != place)[:, None, None]
    spread = jnp.std(known, where=jnp.broadcast_to(where, known.shape))
    return spread[None, None] + 1e-30
