"""Setting the strongest coordinates of a region's gradient to zero."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from pptp_jax.regions import Regions, align, top_weights
from pptp_jax.transforms.select import check_label, check_trees, checked_init, map_region
from pptp_jax.validation import Refused, fraction, one_of


def drop_region_top(
    region_map: Regions,
    label: str,
    share: float | jax.Array,
    *,
    by: str = "magnitude",
    per_leaf: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Sets the share r of a region's gradient with the highest scores to zero.

    g_i ← 0 for the round(r · d) of the d weights of the region with the highest scores: the
    magnitudes |g_i|, or vulnerabilities that the caller gives to each step.

    Args:
        region_map: which parameter, or weight, belongs to which region.
        label: the region.
        share: r, between 0 and 1.
        by: `magnitude`, or `scores`: `update` then needs `scores=`, a tree of the parameters'
            structure.
        per_leaf: whether each leaf gives its own share, instead of the region as one.

    Returns:
        A transform without state.

    Raises:
        ValueError: if the map has no region of this label, r lies outside [0, 1] or `by` is
            unknown; in `update`, if the scores are missing or do not fit, or `params` and
            `updates` differ in their leaves.

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> grads = {"stem": jnp.array([1.0, -3.0, 2.0, 0.5]), "head": jnp.array([9.0])}
        >>> tx = drop_region_top(regions, "protect", share=0.5)
        >>> updates, _ = tx.update(grads, tx.init(grads))
        >>> print(updates["stem"], updates["head"])
        [1.  0.  0.  0.5] [9.]
    """
    check_label(region_map, label)
    fraction(share=share)
    one_of(("magnitude", "scores"), by=by)

    def update(
        updates: optax.Updates,
        state: optax.EmptyState,
        params: optax.Params | None = None,
        *,
        scores: PyTree = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, optax.EmptyState]:
        check_trees(updates, params)
        if by == "scores" and scores is None:
            raise Refused(
                "drop_region_top(by='scores') needs tx.update(..., scores=...), a tree like the "
                "parameters; got none"
            )
        magnitude = by == "magnitude"
        ranked = jax.tree.map(jnp.abs, updates) if magnitude else align(updates, scores=scores)
        mask = region_map.mask(updates, label)
        top = top_weights(ranked, share, per_leaf=per_leaf, within=mask)
        updates = map_region(lambda u, out: jnp.where(out, 0, u), mask, updates, top)
        return updates, state

    init = checked_init(optax.EmptyState, region_map, label)
    return optax.GradientTransformationExtraArgs(init, update)
