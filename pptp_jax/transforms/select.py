"""Select a region in a tree, for all transforms."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from pptp_jax.regions import RegionMap, Regions, WeightMap, paths
from pptp_jax.transforms.norms import ScaledNorm, scaled_norm
from pptp_jax.validation import Refused, one_of


def check_label(regions: Regions, label: str) -> None:
    """Refuses what is no map of regions, and a region that the map does not have."""
    if not isinstance(regions, RegionMap | WeightMap):
        raise Refused(
            "region_map must be a RegionMap or a WeightMap, such as RegionMap.from_rules(...), got "
            f"{regions!r:.80}"
        )
    one_of(regions.names, label=label)


def checked_init(
    make: Callable[[], optax.OptState], regions: Regions, label: str
) -> Callable[[optax.Params], optax.OptState]:
    """An `init` that makes the same state for all parameters, but refuses those not covered."""

    def init(params: optax.Params) -> optax.OptState:
        regions.mask(params, label)
        return make()

    return init


def check_trees(updates: optax.Updates, params: optax.Params | None) -> None:
    """Refuses parameters with other leaves than the updates.

    Raises:
        ValueError: naming the leaves of either that the other lacks.
    """
    if params is None:
        return
    ours, theirs = paths(updates), paths(params)
    if ours != theirs:
        raise Refused(
            "updates and params must have the same leaves; "
            f"updates alone have {', '.join(sorted({*ours} - {*theirs})) or 'none'}, "
            f"params alone have {', '.join(sorted({*theirs} - {*ours})) or 'none'}"
        )


def map_region(
    function: Callable[..., Any], mask: PyTree, updates: PyTree, *others: PyTree
) -> PyTree:
    """Maps a function over the leaves of a region and leaves the other weights as they are.

    Args:
        function: called with a leaf of `updates` and those of `others`; keeps shape and dtype.
        mask: what `Regions.mask` gave.
        updates: a tree.
        *others: trees of the same structure.
    """

    def leaf(chosen: Any, update: Any, *rest: Any) -> Any:
        if isinstance(chosen, bool):
            return function(update, *rest) if chosen else update
        return jnp.where(chosen, function(update, *rest), update)

    return jax.tree.map(leaf, mask, updates, *others)


def region_norm(mask: PyTree, updates: optax.Updates) -> ScaledNorm:
    """The Euclidean norm of a region, in float32 at least; 0 for an empty region."""
    chosen = [
        jnp.asarray(update) if inside is True else jnp.where(inside, update, 0)
        for inside, update in zip(jax.tree.leaves(mask), jax.tree.leaves(updates), strict=True)
        if inside is not False
    ]
    return scaled_norm(chosen)


def region_size(mask: PyTree, updates: optax.Updates) -> jax.Array:
    """The number of weights in a region."""
    sizes = [
        jnp.size(update) * chosen if isinstance(chosen, bool) else chosen.sum()
        for chosen, update in zip(jax.tree.leaves(mask), jax.tree.leaves(updates), strict=True)
    ]
    return jnp.asarray(sum(sizes), int)
