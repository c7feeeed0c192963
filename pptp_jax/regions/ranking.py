"""The weights with the highest scores."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.regions.precision import at_least_float32
from pptp_jax.validation import fraction


def top_weights(
    scores: Any,
    share: float | Float[Array, ""],
    *,
    per_leaf: bool = False,
    within: Any = None,
) -> Any:
    """The mask of the weights with the highest scores.

    Of n scores the round(share · n) highest are chosen, exactly; of equal scores the first ones.

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
    leaves, structure = jax.tree.flatten(scores)
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    allowed = [True] * len(leaves) if within is None else jax.tree.leaves(within)
    masks = [jnp.zeros(leaf.shape, bool) for leaf in leaves]
    ranked = [i for i, inside in enumerate(allowed) if inside is not False]
    for group in [[i] for i in ranked] if per_leaf else [ranked]:
        chosen = _top([leaves[i] for i in group], [allowed[i] for i in group], share)
        for i, mask in zip(group, chosen, strict=True):
            masks[i] = mask
    return jax.tree.unflatten(structure, masks)


def _top(
    leaves: Sequence[Array], allowed: Sequence[Any], share: float | Float[Array, ""]
) -> list[Bool[Array, "..."]]:
    size = sum(leaf.size for leaf in leaves)
    if size == 0:
        return [jnp.zeros(leaf.shape, bool) for leaf in leaves]
    dtype = at_least_float32(*(leaf.dtype for leaf in leaves))
    scores = jnp.concatenate([leaf.ravel().astype(dtype) for leaf in leaves])
    inside: Array | bool = True
    number = _number(share, size, dtype)
    if not all(part is True for part in allowed):
        shaped = [jnp.broadcast_to(a, leaf.shape) for a, leaf in zip(allowed, leaves, strict=True)]
        inside = jnp.concatenate([part.ravel() for part in shaped])
        scores = jnp.where(inside, scores, -jnp.inf)
        number = _number(share, inside.sum(), dtype)
    # The values alone are sorted: half the memory of a sort that carries positions along.
    least = jnp.sort(scores)[jnp.clip(size - number, 0, size - 1)]
    above, equal = scores > least, inside & (scores == least)
    flat = above | (equal & (jnp.cumsum(equal) <= number - above.sum()))
    ends = [sum(leaf.size for leaf in leaves[: i + 1]) for i in range(len(leaves) - 1)]
    parts = jnp.split(flat, ends)
    return [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]


def _number(
    share: float | Float[Array, ""], size: int | Int[Array, ""], dtype: Any
) -> Int[Array, ""]:
    if isinstance(share, Real) and isinstance(size, int):
        return jnp.asarray(round(share * size))  # exact also where float32 would not be
    return jnp.round(share * jnp.asarray(size, dtype)).astype(int)
