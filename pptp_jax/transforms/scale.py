"""A learning rate of its own for a region."""

import jax
import optax

from pptp_jax.regions import Regions
from pptp_jax.transforms.apply import apply_to_region
from pptp_jax.validation import not_negative


def scale_region(
    region_map: Regions, label: str, scale: float | jax.Array | optax.Schedule
) -> optax.GradientTransformationExtraArgs:
    """Multiplies the updates of a region: its own learning rate, relative to the optimiser's.

    u ← s_t · u, by `optax.scale_by_schedule`. Put it behind the optimiser: an optimiser such as
    Adam undoes the scale of a gradient that comes in, but not of the update that goes out.

    Args:
        region_map: which parameter, or weight, belongs to which region.
        label: the region.
        scale: s, at least 0, or a schedule that gives s_t for the number of steps so far.

    Returns:
        A transform with the state `optax.MaskedState`.

    Raises:
        ValueError: if the map has no region of this label, or s is negative; in `update`, if
            `params` and `updates` differ in their leaves.

    Examples:
        >>> import jax.numpy as jnp
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
    not_negative(scale=scale)
    schedule = scale if callable(scale) else lambda _: scale
    return apply_to_region(optax.scale_by_schedule(schedule), region_map, label)
