"""Choose entire output channels of kernels by their scores."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from pptp_jax.regions.paths import paths
from pptp_jax.regions.precision import at_least_float32
from pptp_jax.regions.top_weights import top_weights
from pptp_jax.validation import Refused


class _Kernel(NamedTuple):
    """The leaves that share the channels of a kernel.

    Attributes:
        channels: the shape of the channels, such as (64,), or (heads, size) of an attention.
        first: whether they are the kernel's first axis, not its last ones.
        leaves: the places of the kernel and of what belongs to it among the leaves of the tree.
    """

    channels: tuple[int, ...]
    first: bool
    leaves: tuple[int, ...]


def top_channels(scores: PyTree, share: float | jax.Array, *, within: PyTree = None) -> PyTree:
    """The mask of the output channels with the highest mean scores.

    A channel is a filter of a convolution or a unit of a dense layer: what an array of two axes or
    more has at one place of its last axis, or of its first if it is called `weight`, as those of
    Equinox and PyTorch. The arrays beside it of the channels' shape belong to it, such as a bias.
    So do those of a norm, if its module and the kernel's are in one module without another kernel.
    A vector that belongs to no kernel has no channels.

    The score of a channel is the mean over all of its weights. Of n channels the round(share · n)
    highest are chosen, over all kernels together, whatever their sizes; of equal ones the first.

    Args:
        scores: a tree of scores, such as the vulnerability |g · w| of each weight.
        share: the share of the channels to choose; may be traced.
        within: a mask of leaves, as `RegionMap.mask` makes it; leaves outside are neither scored
            nor chosen. None is all of them.

    Returns:
        A tree of boolean arrays of the scores' shapes, for `WeightMap.from_masks`.

    Raises:
        ValueError: if the share lies outside [0, 1], no array within has channels, or `within` is a
            mask of single weights.

    References:
        Maini et al., "Can Neural Network Memorization Be Localized?", ICML 2023,
        https://arxiv.org/abs/2307.09542, find that an example is memorised in a few channels. To
        choose by the mean of |g · w| is ours.

    Examples:
        >>> scores = {"conv": {"kernel": jnp.array([[1.0, 5.0], [1.0, 3.0]]), "bias": jnp.ones(2)}}
        >>> mask = top_channels(scores, 0.5)["conv"]
        >>> print(mask["kernel"], mask["bias"])
        [[False  True]
         [False  True]] [False  True]
    """
    leaves, structure = jax.tree.flatten(scores)
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    inside = [True] * len(leaves) if within is None else jax.tree.leaves(within)
    if not all(isinstance(own, bool) for own in inside):
        raise Refused(
            "channels are chosen within leaves, not single weights: give the mask of a RegionMap"
        )
    names = [tuple(path.split("/")) for path in paths(scores)]
    shapes = {
        place: leaf.shape for place, leaf in enumerate(leaves) if inside[place] and leaf.ndim > 0
    }
    kernels = _kernels(names, shapes)
    if not kernels:
        raise Refused(
            "no array has channels: an array of two axes or more is needed, got "
            f"{', '.join('/'.join(names[place]) for place in shapes) or 'none'}"
        )
    chosen = top_weights([_mean(kernel, leaves) for kernel in kernels], share)
    masks = [jnp.zeros(leaf.shape, bool) for leaf in leaves]
    for kernel, own in zip(kernels, chosen, strict=True):
        for place in kernel.leaves:
            masks[place] = _spread(kernel, own, leaves[place].shape)
    return jax.tree.unflatten(structure, masks)


def _kernels(names: Sequence[tuple[str, ...]], shapes: dict[int, tuple[int, ...]]) -> list[_Kernel]:
    """Every array of two axes or more, with what shares its channels."""
    modules: dict[tuple[str, ...], list[int]] = {}
    for place in shapes:
        modules.setdefault(names[place][:-1], []).append(place)
    found: dict[int, _Kernel] = {}
    for own in modules.values():
        axes = [len(shapes[place]) for place in own]
        # Of several kernels in one module it is unknown which of them has the bias.
        main = own[axes.index(max(axes))] if axes.count(max(axes)) == 1 else None
        first = main is not None and names[main][-1] == "weight"
        shared = [
            place for place in own if main is not None and _shares(shapes, main, place, first)
        ]
        for place in own:
            if len(shapes[place]) > 1 and place not in shared:
                found[place] = _kernel(names, shapes, place, shared if place == main else [])
    for place, kernel in found.items():
        around = names[place][:-2]
        inner = [i for i in shapes if names[i][: len(around)] == around]
        if [i for i in inner if i in found] == [place]:
            norms = [i for i in inner if shapes[i] == kernel.channels and i not in kernel.leaves]
            found[place] = kernel._replace(leaves=(*kernel.leaves, *norms))
    return [found[place] for place in sorted(found)]


def _shares(shapes: dict[int, tuple[int, ...]], kernel: int, other: int, first: bool) -> bool:
    """Whether an array beside a kernel has one entry for each of its channels."""
    if other == kernel:
        return False
    own, its = shapes[kernel], shapes[other]
    return its[0] == math.prod(its) == own[0] if first else own[-len(its) :] == its


def _kernel(
    names: Sequence[tuple[str, ...]],
    shapes: dict[int, tuple[int, ...]],
    place: int,
    shared: Sequence[int],
) -> _Kernel:
    first, shape = names[place][-1] == "weight", shapes[place]
    # The bias of an attention's heads has two axes, and so have their channels.
    axes = max([1, *(len(shapes[other]) for other in shared)])
    return _Kernel(shape[:1] if first else shape[-axes:], first, (place, *shared))


def _mean(kernel: _Kernel, leaves: Sequence[Array]) -> Array:
    """The mean score of each channel."""
    total: Any = 0
    weights = 0
    for place in kernel.leaves:
        leaf = leaves[place].astype(at_least_float32(leaves[place].dtype))
        count = leaf.size // max(math.prod(kernel.channels), 1)
        shape = (*kernel.channels, count) if kernel.first else (count, *kernel.channels)
        total = total + leaf.reshape(shape).sum(axis=-1 if kernel.first else 0)
        weights += count
    return total / max(weights, 1)


def _spread(kernel: _Kernel, chosen: Array, shape: tuple[int, ...]) -> Array:
    """The mask of a leaf that has these channels."""
    ones = (1,) * (len(shape) - chosen.ndim)
    return jnp.broadcast_to(
        chosen.reshape((*chosen.shape, *ones) if kernel.first else (*ones, *chosen.shape)), shape
    )
