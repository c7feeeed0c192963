"""A weight decay of its own for a region."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from pptp_jax.regions import Regions
from pptp_jax.transforms.apply import apply_to_region
from pptp_jax.validation import Refused, not_negative


def decay_region(
    region_map: Regions, label: str, weight_decay: float | jax.Array | optax.Schedule
) -> optax.GradientTransformationExtraArgs:
    """Adds weight decay to the gradient of a region: u ← u + λ_t · w.

    Before `optax.sgd` this is the gradient of λ/2 · ‖w‖². Behind an optimiser such as Adam, and
    before the learning rate, it is decoupled decay.

    **Behind a batch norm, decay is no penalty on size.** The outputs do not depend on the size of
    such weights. Decay shrinks them, gradients grow by as much, and in equilibrium each step turns
    them by about √(2ηλ / (1 + m)), for a learning rate η and a momentum m. So λ sets the effective
    learning rate of the region; `pptp_jax.regions.angular_update` measures it.

    Args:
        region_map: which parameter, or weight, belongs to which region.
        label: the region.
        weight_decay: λ, at least 0, or a schedule that gives λ_t for the number of steps so far.

    Returns:
        A transform with the state `optax.MaskedState`, whose `update` needs `params`.

    Raises:
        ValueError: if the map has no region of this label, or λ is negative; in `update`, if there
            are no `params`, or `params` and `updates` differ in their leaves.

    References:
        Van Laarhoven, "L2 Regularization versus Batch and Weight Normalization", 2017,
        https://arxiv.org/abs/1706.05350

        Kosson, Messmer and Jaggi, "Rotational Equilibrium: How Weight Decay Balances Learning
        Across Neural Networks", ICML 2024, https://arxiv.org/abs/2305.17212

    Examples:
        >>> import jax.numpy as jnp
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> params = {"stem": jnp.array(2.0), "head": jnp.array(2.0)}
        >>> tx = decay_region(regions, "protect", 0.25)
        >>> updates, _ = tx.update({"stem": 1.0, "head": 1.0}, tx.init(params), params)
        >>> print(updates["stem"], updates["head"])
        1.5 1.0
    """
    not_negative(weight_decay=weight_decay)
    schedule = weight_decay if callable(weight_decay) else lambda _: weight_decay
    return apply_to_region(_decayed(schedule), region_map, label)


def _decayed(schedule: optax.Schedule) -> optax.GradientTransformation:
    """`optax.add_decayed_weights`, which keeps the precision of the updates."""

    def init(params: optax.Params) -> optax.ScaleByScheduleState:
        return optax.ScaleByScheduleState(jnp.zeros((), jnp.int32))

    def update(
        updates: optax.Updates,
        state: optax.ScaleByScheduleState,
        params: optax.Params | None = None,
    ) -> tuple[optax.Updates, optax.ScaleByScheduleState]:
        if params is None:
            raise Refused("weight decay needs the weights: call update(updates, state, params)")
        strength = schedule(state.count)

        def decayed(u: Any, w: Any) -> Any:
            dtype = jnp.asarray(u).dtype
            return u + jnp.asarray(strength, dtype) * jnp.asarray(w, dtype)

        count = optax.safe_increment(state.count)
        return jax.tree.map(decayed, updates, params), optax.ScaleByScheduleState(count)

    return optax.GradientTransformation(init, update)
