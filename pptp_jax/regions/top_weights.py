"""The weights with the highest scores."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from pptp_jax.regions.precision import at_least_float32
from pptp_jax.validation import fraction, python_number


def top_weights(
    scores: PyTree,
    share: float | jax.Array,
    *,
    per_leaf: bool = False,
    within: PyTree = None,
) -> PyTree:
    """The mask of the weights with the highest scores.

    Of n scores the round(share · n) highest are chosen, exactly; of equal scores the first ones.
    NaN ranks highest.

    Args:
        scores: a tree of scores, such as the vulnerability |g · w| of each weight.
        share: the share r of the weights to choose; may be traced, and differ between models.
        per_leaf: whether each leaf gives its own share, instead of all leaves together.
        within: a mask, as `RegionMap.mask` and `WeightMap.mask` make it; weights outside are
            neither chosen nor counted. None is all weights.

    Returns:
        A tree of boolean arrays of the scores' shapes, for `WeightMap.from_masks`.

    Raises:
        ValueError: if the share lies outside [0, 1].

    References:
        The ICLR 2026 paper "CWRF", https://arxiv.org/abs/2603.13186, rewinds and freezes the
        weights with the highest privacy vulnerability.

    Examples:
        >>> scores = {"a": jnp.array([5.0, 1.0]), "b": jnp.array([3.0, 4.0])}
        >>> mask = top_weights(scores, 0.5)
        >>> print(mask["a"], mask["b"])
        [ True False] [False  True]
    """
    fraction(share=share)
    share = python_number(share)
    leaves, structure = jax.tree.flatten(scores)
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    allowed = [True] * len(leaves) if within is None else jax.tree.leaves(within)
    masks = [jnp.zeros(leaf.shape, bool) for leaf in leaves]
    ranked = [i for i, inside in enumerate(allowed) if inside is not False]
    for group in [[i] for i in ranked] if per_leaf else [ranked]:
        own, inside = [leaves[i] for i in group], [allowed[i] for i in group]
        for i, mask in zip(group, _top(own, inside, _number(share, own, inside)), strict=True):
            masks[i] = mask
    return jax.tree.unflatten(structure, masks)


def _number(
    share: float | jax.Array, leaves: Sequence[jax.Array], inside: Sequence[Any]
) -> int | jax.Array:
    size = sum(leaf.size for leaf in leaves)
    if all(part is True for part in inside):
        if isinstance(share, Real):
            return round(share * size)  # exact also where float32 would not be
        return jnp.round(share * jnp.float32(size)).astype(int)
    counts = [jnp.broadcast_to(a, leaf.shape).sum() for a, leaf in zip(inside, leaves, strict=True)]
    return jnp.round(share * jnp.asarray(sum(counts), jnp.float32)).astype(int)


@jax.jit
def _top(
    leaves: Sequence[jax.Array], inside: Sequence[Any], number: int | jax.Array
) -> list[jax.Array]:
    """The masks of the `number` highest scores of some leaves together.

    The least score that is chosen is found bit by bit, by counting the scores above a candidate:
    as many passes over the scores as they have bits, but no copy and no sort of them.
    """
    dtype = at_least_float32(*(leaf.dtype for leaf in leaves))
    keys = [_ordered(leaf.astype(dtype)) for leaf in leaves]
    starts = np.cumsum([0, *(leaf.size for leaf in leaves)])
    places = [
        jnp.arange(start, start + leaf.size, dtype=jnp.uint32).reshape(leaf.shape)
        for start, leaf in zip(starts, leaves, strict=False)
    ]

    def count(holds: Callable[[jax.Array, jax.Array], jax.Array]) -> jax.Array:
        parts = zip(keys, places, inside, strict=True)
        return sum(((holds(key, p) & a).sum() for key, p, a in parts), jnp.zeros((), int))

    bits = jnp.uint32 if dtype.itemsize == 4 else jnp.uint64
    least = _largest(lambda bound: count(lambda key, _: key >= bound) >= number, bits)
    ties = number - count(lambda key, _: key > least)
    end = _largest(
        lambda end: count(lambda key, place: (key == least) & (place < end)) <= ties, jnp.uint32
    )
    return [
        a & ((key > least) | ((key == least) & (place < end)))
        for key, place, a in zip(keys, places, inside, strict=True)
    ]


def _ordered(scores: jax.Array) -> jax.Array:
    """Unsigned integers in the order of the scores."""
    bits = jnp.uint32 if scores.dtype.itemsize == 4 else jnp.uint64
    sign = jnp.array(1 << (8 * scores.dtype.itemsize - 1), bits)
    # Two zeros are equal as scores, so they must be equal as bits.
    raw = jax.lax.bitcast_convert_type(jnp.where(scores == 0, 0, scores), bits)
    return jnp.where(raw & sign, ~raw, raw | sign)


def _largest(holds: Callable[[jax.Array], jax.Array], dtype: Any) -> jax.Array:
    """The largest integer for which a condition holds that holds for 0 and up to some bound."""
    size = 8 * jnp.dtype(dtype).itemsize

    def refine(i: Any, found: jax.Array) -> jax.Array:
        higher = found | (jnp.array(1, dtype) << jnp.asarray(size - 1 - i, dtype))
        return jnp.where(holds(higher), higher, found)

    # The first bit outside of the loop: inside shard_map a carry varies from its beginning.
    return jax.lax.fori_loop(1, size, refine, refine(0, jnp.array(0, dtype)))
