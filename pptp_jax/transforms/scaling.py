"""A learning rate of its own for a region."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pptp_jax.regions import Regions
from pptp_jax.transforms.selection import check_label, check_trees, checked_init, map_region
from pptp_jax.validation import not_negative


class ScaleRegionState(NamedTuple):
    """The state of `scale_region`.

    Attributes:
        step: the steps so far, which a schedule depends on.
    """

    step: jax.Array


def scale_region(
    region_map: Regions, label: str, scale: float | jax.Array | optax.Schedule
) -> optax.GradientTransformationExtraArgs:
    """Multiplies the updates of a region: its own learning rate, relative to the optimiser's.

    u ← s_t · u. Put it behind the optimiser: an optimiser such as Adam undoes the scale of a
    gradient that comes in, but not of the update that goes out.

    Args:
        region_map: which parameter, or weight, belongs to which region.
        label: the region.
        scale: s, at least 0, or a schedule that gives s_t for the number of steps so far.

    Returns:
        A transform with a `ScaleRegionState`.

    Raises:
        ValueError: if the map has no region of this label, or s is negative; in `update`, if
            `params` and `updates` differ in their leaves.

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> params = {"stem": jnp.ones(()), "head": jnp.ones(())}
        >>> halved = optax.exponential_decay(1.0, transition_steps=1, decay_rate=0.5)
        >>> tx = optax.chain(optax.sgd(0.1), scale_region(regions, "protect", halved))
        >>> state = tx.init(params)
        >>> for _ in range(3):
        ...     updates, state = tx.update(params, state, params)
        >>> print(updates["stem"], updates["head"])
        -0.025 -0.1
    """
    check_label(region_map, label)
    not_negative(scale=scale)

    def begin() -> ScaleRegionState:
        return ScaleRegionState(jnp.zeros((), jnp.int32))

    def update(
        updates: Any, state: ScaleRegionState, params: Any = None, **extra_args: Any
    ) -> tuple[Any, ScaleRegionState]:
        check_trees(updates, params)
        factor = jnp.asarray(scale(state.step) if callable(scale) else scale)

        def scaled(u: Any) -> jax.Array:
            u = jnp.asarray(u)
            return u * factor.astype(u.dtype)

        updates = map_region(scaled, region_map.mask(updates, label), updates)
        return updates, ScaleRegionState(optax.safe_increment(state.step))

    return optax.GradientTransformationExtraArgs(checked_init(begin, region_map, label), update)
