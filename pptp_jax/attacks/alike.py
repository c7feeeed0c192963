"""Use as many IN as OUT shadows of each example, for every target and whatever its members.

A fit to fewer shadows is a worse one. If one kind had more of them than the other, the example
would look like a member of that kind, by the numbers of shadows alone: a fleet that is attacked
model by model has one IN shadow less of each of the target's members. With
equal numbers the ratio changes its sign where IN and OUT are exchanged. If membership means
nothing, both signs are then equally likely, for any matrix of membership and any distribution.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

Fits = TypeVar("Fits")


class Kind(NamedTuple):
    """The shadows of one kind, IN or OUT, and fits to the first of them.

    Attributes:
        chosen: which shadows are of this kind.
        rank: how many of this kind stand before each shadow.
        firsts: fits to the first m − 1, m and m + 1 of an example, where m is the number of the
            kind of which it has fewer: a target leaves m or m − 1 of either kind to be used, and
            one more where it is among them itself.
    """

    chosen: Bool[Array, "shadows examples"]
    rank: Int[Array, "shadows examples"]
    firsts: tuple[PyTree, PyTree, PyTree]


def kinds_alike(
    fit: Callable[..., Fits],
    known: Float[Array, "shadows queries examples"],
    kinds: tuple[Bool[Array, "shadows examples"], Bool[Array, "shadows examples"]],
) -> tuple[Kind, Kind]:
    """Fits both kinds.

    Args:
        fit: makes of all shadows' values, and of which are chosen, what any one can be left out of.
        known: the shadows' values.
        kinds: which shadows are IN, which are OUT.
    """
    fewer = _fewer(chosen.sum(axis=0) for chosen in kinds)

    def of_kind(chosen: Bool[Array, "shadows examples"]) -> Kind:
        rank = jnp.cumsum(chosen, axis=0) - chosen.astype(jnp.int32)
        below, as_many, above = (
            fit(known, chosen & (rank < (fewer + more)[None])) for more in (-1, 0, 1)
        )
        return Kind(chosen, rank, (below, as_many, above))

    of_in, of_out = kinds
    return of_kind(of_in), of_kind(of_out)


def without_target(
    kinds: tuple[Kind, Kind],
    without: Callable[..., PyTree],
    place: Int[Array, ""],
    value: Float[Array, "queries examples"],
) -> tuple[PyTree, PyTree]:
    """The fits to the first n IN and the first n OUT shadows but the target, with the largest n.

    Args:
        kinds: those of `kinds_alike`.
        without: what is left of its fit without one model.
        place: which shadow the target is itself; −1 for none.
        value: its values.

    Examples:
        >>> from pptp_jax.attacks.leave_one_out import fits, without
        >>> values = jnp.array([1.0, 5.0, 6.0, 2.0, 4.0])[:, None, None]
        >>> inside = jnp.array([True, False, False, True, True])[:, None]
        >>> kinds = kinds_alike(fits, values, (inside, ~inside))
        >>> for fit in without_target(kinds, without, jnp.array(1), values[1]):
        ...     print(fit.models, fit.mean)
        [1] [[1.]]
        [1] [[6.]]
    """
    fewer = _fewer(kind.chosen.sum(axis=0) for kind in kinds)
    there = [kind.chosen[place] & (place >= 0) for kind in kinds]
    number = _fewer(
        kind.chosen.sum(axis=0) - itself.astype(jnp.int32)
        for kind, itself in zip(kinds, there, strict=True)
    )

    def of_kind(kind: Kind, itself: Bool[Array, " examples"]) -> PyTree:
        among = itself & (kind.rank[place] <= number)
        size = number + among.astype(jnp.int32) - fewer

        def pick(*firsts: Array) -> Array:
            more = size.reshape((1,) * (firsts[0].ndim - 1) + (-1,))
            return jnp.where(more < 0, firsts[0], jnp.where(more > 0, firsts[2], firsts[1]))

        return without(jax.tree.map(pick, *kind.firsts), place, value, among)

    of_in, of_out = (of_kind(*pair) for pair in zip(kinds, there, strict=True))
    return of_in, of_out


def _fewer(numbers: Iterable[Int[Array, " examples"]]) -> Int[Array, " examples"]:
    of_in, of_out = numbers
    return jnp.minimum(of_in, of_out)
