"""Gaussian noise on a region's gradient."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pptp_jax.regions import Regions
from pptp_jax.regions.precision import at_least_float32
from pptp_jax.transforms.keys import leaf_keys
from pptp_jax.transforms.select import (
    check_label,
    check_trees,
    checked_init,
    map_region,
    region_norm,
    region_size,
)
from pptp_jax.validation import not_negative


class AddRegionNoiseState(NamedTuple):
    """The state of `add_region_noise`.

    Attributes:
        step: the steps so far, which an annealed standard deviation depends on.
    """

    step: jax.Array


def add_region_noise(
    region_map: Regions,
    label: str,
    stddev: float | jax.Array | optax.Schedule,
    *,
    relative: bool = False,
    stream: str = "add_region_noise",
) -> optax.GradientTransformationExtraArgs:
    """Adds isotropic Gaussian noise to the gradient of a region.

    g ← g + s_t z with z ~ N(0, I). If `relative`, s_t is multiplied by ‖g‖/√d, with the norm and
    the dimension d of the region, so that the noise is about s_t times as long as the gradient.

    Noise on one region gives no ε for the model: the other regions' updates still depend on the
    data, and so does a norm that nothing bounds.

    Args:
        region_map: which parameter, or weight, belongs to which region.
        label: the region.
        stddev: s, at least 0, or a schedule that gives s_t for the number of steps so far.
        relative: whether s is in units of the gradient's own size.
        stream: the name that the noise is drawn under, with the label. In `optax.chain`, two noises
            with one label need two names; `pptp_jax.transforms.chain` needs none.

    Returns:
        A transform with an `AddRegionNoiseState`, whose `update` needs `key=`, one a step.

    Raises:
        ValueError: if the map has no region of this label, or s is negative; in `update`, if the
            key is missing, or `params` and `updates` differ in their leaves.

    References:
        Neelakantan et al., "Adding Gradient Noise Improves Learning for Very Deep Networks", 2015,
        https://arxiv.org/abs/1511.06807, for annealed noise.

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> grads = {"stem": jnp.zeros(10_000), "head": jnp.zeros(2)}
        >>> tx = add_region_noise(regions, "protect", stddev=2.0)
        >>> updates, _ = tx.update(grads, tx.init(grads), key=jax.random.key(0))
        >>> print(updates["stem"].std().round(1), updates["head"])
        2.0 [0. 0.]
    """
    check_label(region_map, label)
    not_negative(stddev=stddev)

    def begin() -> AddRegionNoiseState:
        return AddRegionNoiseState(jnp.zeros((), jnp.int32))

    def update(
        updates: optax.Updates,
        state: AddRegionNoiseState,
        params: optax.Params | None = None,
        *,
        key: jax.Array | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, AddRegionNoiseState]:
        check_trees(updates, params)
        keys = leaf_keys(key, updates, f"{stream}:{label}")
        mask = region_map.mask(updates, label)
        sigma = jnp.asarray(stddev(state.step) if callable(stddev) else stddev)
        if relative:
            norm = region_norm(mask, updates)
            dtype = norm.scaled.dtype
            size = jnp.maximum(region_size(mask, updates), 1).astype(dtype)
            # Divided by the scale last: ‖g‖ alone may overflow where ‖g‖/√d does not.
            sigma = sigma.astype(dtype) * norm.scaled / jnp.sqrt(size) / norm.scale

        def noisy(u: Any, key: jax.Array) -> jax.Array:
            u = jnp.asarray(u)
            # Drawn wide and rounded once: half-precision normals have short tails.
            wide = at_least_float32(u.dtype)
            noise = jax.random.normal(key, u.shape, wide)
            return u + (sigma.astype(wide) * noise).astype(u.dtype)

        updates = map_region(noisy, mask, updates, keys)
        return updates, AddRegionNoiseState(optax.safe_increment(state.step))

    return optax.GradientTransformationExtraArgs(checked_init(begin, region_map, label), update)
