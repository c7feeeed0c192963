"""Clip the norm of a region's gradient."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from pptp_jax.regions import Block, Regions
from pptp_jax.transforms.apply import apply_to_region
from pptp_jax.transforms.blocks import block_masks
from pptp_jax.transforms.select import map_region, region_norm
from pptp_jax.validation import positive


def clip_region_norm(
    region_map: Regions,
    label: str,
    max_norm: float | jax.Array,
    *,
    blocks: Sequence[Block] | None = None,
) -> optax.GradientTransformationExtraArgs:
    """Scales the gradient of a region down to a norm of at most C.

    g ← g · min(1, C/‖g‖), where ‖g‖ is the Euclidean norm of the region jointly, or, with `blocks`,
    of each block's part of the region on its own. The norm is summed in float32 at least, of
    gradients of any finite size: what is longer than C gets the norm C, but for the rounding of its
    own precision. A traced C may be 0, which gives zeros.

    Under `jax.jit` the norm is that of the entire region however its arrays are sharded; inside
    `shard_map` it is that of the device's part, which is the entire if the parameters are
    replicated.

    This bounds the gradient of a batch, not that of an example: it gives no differential privacy.

    Args:
        region_map: which parameter, or weight, belongs to which region.
        label: the region.
        max_norm: C, above 0.
        blocks: the blocks to clip one by one; each parameter of the region must be in one.

    Returns:
        A transform without state of its own.

    Raises:
        ValueError: if the map has no region of this label, or C is not above 0; in `update`, if
            `params` and `updates` differ in their leaves, or no block has a parameter of the
            region.

    References:
        Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
        2013, https://arxiv.org/abs/1211.5063

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> grads = {"stem": jnp.array([3.0, 4.0]), "head": jnp.array([3.0, 4.0])}
        >>> tx = clip_region_norm(regions, "protect", max_norm=1.0)
        >>> updates, _ = tx.update(grads, tx.init(grads))
        >>> print(updates["stem"], updates["head"])
        [0.6 0.8] [3. 4.]
    """
    positive(max_norm=max_norm)
    return apply_to_region(_clip_norm(max_norm, blocks), region_map, label)


def _clip_norm(
    max_norm: float | jax.Array, blocks: Sequence[Block] | None
) -> optax.GradientTransformation:
    """`optax.clip_by_global_norm`, with a norm that neither overflows nor saturates."""

    def update(
        updates: optax.Updates, state: optax.EmptyState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.EmptyState]:
        whole = jax.tree.map(lambda _: True, updates)
        parts = [whole] if blocks is None else block_masks(whole, updates, blocks)
        for part in parts:
            clipping = region_norm(part, updates).clipping(max_norm)
            updates = map_region(lambda u, c=clipping: c(jnp.asarray(u)), part, updates)
        return updates, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
