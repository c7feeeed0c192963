"""Rewind a region to earlier values."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from pptp_jax.regions import Regions, align, paths
from pptp_jax.transforms.select import check_label, map_region
from pptp_jax.validation import Refused


def rewind_region(
    params: optax.Params, earlier: optax.Params, region_map: Regions, label: str
) -> optax.Params:
    """The parameters with one region rewound to earlier values.

    An optimiser with a memory goes on pushing a rewound region where it went before; take its
    state back too, with `rewind_region_state`.

    Args:
        params: the parameters now.
        earlier: a tree of the same structure, such as the initial parameters.
        region_map: which parameter, or weight, belongs to which region.
        label: the region.

    Raises:
        ValueError: if the map has no region of this label, or the trees differ in structure
            or shapes.

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> now, then = {"stem": 5.0, "head": 7.0}, {"stem": 0.0, "head": 0.0}
        >>> rewind_region(now, then, regions, "protect")
        {'head': 7.0, 'stem': 0.0}
    """
    check_label(region_map, label)
    ours: Any = jax.tree.structure(params)
    theirs: Any = jax.tree.structure(earlier)
    if ours != theirs:
        raise Refused(
            "the earlier parameters must have the structure of the present ones, "
            f"{ours}; they have {theirs}"
        )
    mask = region_map.mask(params, label)
    return map_region(lambda now, then: then, mask, params, align(params, earlier=earlier))


def rewind_region_state(
    opt_state: optax.OptState,
    tx: optax.GradientTransformation | optax.MultiSteps,
    params: optax.Params,
    region_map: Regions,
    label: str,
) -> optax.OptState:
    """The state of an optimiser with its memory of one region as `tx.init` makes it.

    Whatever the state keeps for each parameter is taken back in the region: momentum, second
    moments, accumulated gradients. With a `WeightMap` it must have an entry for each weight; with a
    `RegionMap` it may have any shape, such as one number a parameter. What parameters share, such
    as Adam's count of steps, stays, so Adam does not correct the bias of the moments that start
    again at zero: the first steps of the region are larger by up to (1 - b1)/sqrt(1 - b2), for a
    while of about 1/(1 - b1) steps.

    Args:
        opt_state: the state now.
        tx: the optimiser, or transform, that it is the state of.
        params: the parameters, rewound already.
        region_map: which parameter, or weight, belongs to which region.
        label: the region.

    Raises:
        ValueError: if the map has no region of this label, the state is not one of `tx` for these
            parameters, or the optimiser's memory cannot be divided by region.

    Examples:
        >>> from pptp_jax.regions import RegionMap
        >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
        >>> params = {"stem": jnp.ones(()), "head": jnp.ones(())}
        >>> tx = optax.sgd(0.1, momentum=0.9)
        >>> _, state = tx.update(params, tx.init(params), params)
        >>> state = rewind_region_state(state, tx, params, regions, "protect")
        >>> print(state[0].trace["stem"], state[0].trace["head"])
        0.0 1.0
    """
    check_label(region_map, label)
    fresh = tx.init(params)
    made: Any = jax.tree.structure(fresh)
    if made != jax.tree.structure(opt_state):
        raise Refused(
            "the state is not one of this optimiser for these parameters; "
            f"it has the leaves {', '.join(paths(opt_state)) or 'none'}, "
            f"the optimiser makes {', '.join(paths(fresh)) or 'none'}"
        )
    marks = _marks(tx, opt_state, region_map.mask(params, label))
    _check_shapes(marks, opt_state, fresh)
    return map_region(lambda now, then: then, marks, opt_state, fresh)


def _marks(tx: Any, opt_state: optax.OptState, mask: PyTree) -> PyTree:
    """The structure of a state: at what belongs to one parameter, its mask; False elsewhere."""
    by_path = dict(jax.tree_util.tree_leaves_with_path(mask))

    def own(path: tuple[Any, ...], leaf: Any) -> Any:
        # An optimiser may keep several arrays a parameter, or none where it does not train it.
        found = [by_path[path[:n]] for n in range(len(path) + 1) if path[:n] in by_path]
        if not found:
            raise _undivided(opt_state)
        return found[0]

    try:
        optax.tree_utils.tree_map_params(tx, lambda leaf: leaf, opt_state)
    except Exception as error:  # whatever `tx.init` raises when optax gives it a placeholder
        raise _undivided(opt_state) from error
    return optax.tree_utils.tree_map_params(
        tx,
        lambda copy: jax.tree_util.tree_map_with_path(own, copy),
        opt_state,
        transform_non_params=lambda _: False,
        is_leaf=lambda _: True,
    )


def _undivided(opt_state: optax.OptState) -> Refused:
    return Refused(
        "the memory of this optimiser cannot be divided by region: optax's tree_map_params does "
        f"not find the parameters in {', '.join(paths(opt_state))}; begin with a state that "
        "tx.init makes"
    )


def _check_shapes(marks: PyTree, opt_state: optax.OptState, fresh: optax.OptState) -> None:
    leaves = zip(
        paths(opt_state),
        *(jax.tree.leaves(tree) for tree in (marks, opt_state, fresh)),
        strict=True,
    )
    for path, mark, now, then in leaves:
        if jnp.shape(now) != jnp.shape(then):
            raise Refused(
                f"the state is not one of this optimiser for these parameters: {path} has the "
                f"shape {jnp.shape(now)}, the optimiser makes {jnp.shape(then)}"
            )
        if not isinstance(mark, bool) and mark.shape != jnp.shape(now):
            raise Refused(
                f"{path} has the shape {jnp.shape(now)}, not an entry for each weight of the "
                f"parameter, whose shape is {mark.shape}; a WeightMap divides parameters, so take "
                "a RegionMap or another optimiser"
            )
