"""Every transform once, with its naive twin: a loop over leaves in NumPy, slow and plain.

A twin takes the leaves (each with its path, its gradient, and which of its weights are in the
region), the key of the step and the number of the step, and changes the gradients in place.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pptp_jax import transforms as t
from pptp_jax.regions import Block, RegionMap, Regions, WeightMap, paths

BLOCKS = [Block(name, f"{name}/.*") for name in ("stem", "stage", "head")]
REGIONS = RegionMap.from_rules([("(stem|stage)/.*", "protect"), ("head/.*", "general")])


@dataclass
class Leaf:
    path: str
    place: str
    grad: np.ndarray
    inside: np.ndarray


Twin = Callable[[list[Leaf], jax.Array, int], None]


class Case(NamedTuple):
    make: Callable[[Regions], optax.GradientTransformationExtraArgs]
    twin: Twin
    random: bool = False
    weights: bool = True  # whether it takes a WeightMap as well


def named_key(key: jax.Array, name: str) -> jax.Array:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    key = jax.random.fold_in(key, int.from_bytes(digest[:4], "big"))
    return jax.random.fold_in(key, int.from_bytes(digest[4:], "big"))


def leaf_key(leaf: Leaf, key: jax.Array, stream: str) -> jax.Array:
    return named_key(key, f"{stream}:{leaf.place}")


def norm(leaves: list[Leaf]) -> float:
    return float(np.sqrt(sum(float((leaf.grad[leaf.inside] ** 2).sum()) for leaf in leaves)))


def clip(leaves: list[Leaf], *_: Any) -> None:
    length = norm(leaves)
    for leaf in leaves:
        leaf.grad[leaf.inside] *= min(1.0, 0.5 / length) if length else 1.0


def clip_blocks(leaves: list[Leaf], *_: Any) -> None:
    for block in BLOCKS:
        clip([leaf for leaf in leaves if re.fullmatch(block.pattern, leaf.path)])


def noise(
    deviation: Callable[[list[Leaf], int], float], stream: str = "add_region_noise:protect"
) -> Twin:
    def twin(leaves: list[Leaf], key: jax.Array, step: int) -> None:
        scale = deviation(leaves, step)
        for leaf in leaves:
            z = np.asarray(jax.random.normal(leaf_key(leaf, key, stream), leaf.grad.shape))
            leaf.grad[leaf.inside] += scale * z[leaf.inside]

    return twin


def per_weight(leaves: list[Leaf], step: int) -> float:
    return 0.3 * norm(leaves) / np.sqrt(max(1, sum(leaf.inside.sum() for leaf in leaves)))


def drop(leaves: list[Leaf], key: jax.Array, step: int) -> None:
    for leaf in leaves:
        drawn = np.asarray(
            jax.random.bernoulli(
                leaf_key(leaf, key, "drop_region_updates:protect"), 0.4, leaf.grad.shape
            )
        )
        leaf.grad[leaf.inside & drawn] = 0


def drop_blocks(leaves: list[Leaf], key: jax.Array, step: int) -> None:
    own = named_key(key, "drop_region_blocks:protect")
    active = np.asarray(jax.random.permutation(own, len(BLOCKS))) < 2
    for leaf in leaves:
        (owner,) = [i for i, b in enumerate(BLOCKS) if re.fullmatch(b.pattern, leaf.path)]
        if not active[owner]:
            leaf.grad[leaf.inside] = 0


def drop_top(score: Callable[[Leaf], np.ndarray], per_leaf: bool = False) -> Twin:
    def twin(leaves: list[Leaf], *_: Any) -> None:
        if per_leaf and len(leaves) > 1:
            for leaf in leaves:
                twin([leaf])
            return
        ranked = [
            (-score(leaf)[i], number, i)
            for number, leaf in enumerate(leaves)
            for i in np.ndindex(leaf.grad.shape)
            if leaf.inside[i]
        ]
        for _, number, i in sorted(ranked)[: round(0.5 * len(ranked))]:
            leaves[number].grad[i] = 0

    return twin


def scale(factor: Callable[[int], float]) -> Twin:
    def twin(leaves: list[Leaf], key: jax.Array, step: int) -> None:
        for leaf in leaves:
            leaf.grad[leaf.inside] *= factor(step)

    return twin


def frozen(leaves: list[Leaf], *_: Any) -> None:
    for leaf in leaves:
        leaf.grad = np.where(leaf.inside, 0, -0.1 * leaf.grad)


def private(leaves: list[Leaf], key: jax.Array, step: int) -> None:
    noise(lambda *_: 2.0 * 0.5, "private_region_noise")(leaves, key, step)
    for leaf in leaves:
        leaf.grad = leaf.grad / 4


def clipped_noisy_slow(leaves: list[Leaf], key: jax.Array, step: int) -> None:
    clip(leaves)
    noise(lambda *_: 0.2)(leaves, named_key(key, "chain:1"), step)
    drop(leaves, named_key(key, "chain:2"), step)
    for leaf in leaves:
        leaf.grad *= np.where(leaf.inside, -0.05, -0.1)


def two_noises(leaves: list[Leaf], key: jax.Array, step: int) -> None:
    for place in (0, 1):
        noise(lambda *_: 0.3)(leaves, named_key(key, f"chain:{place}"), step)


def halving(step: Any) -> Any:
    return 2.0 * jnp.exp2(-jnp.asarray(step, jnp.float32))


def decaying(step: Any) -> Any:
    return 1 / (1 + jnp.asarray(step, jnp.float32))


P = "protect"
TABLE: dict[str, Case] = {
    "apply_to_region": Case(
        lambda r: t.apply_to_region(optax.sgd(0.1, momentum=0.9), r, P),
        scale(lambda step: -0.1 * (1 + 0.9 * step)),
    ),
    "freeze_region": Case(lambda r: t.freeze_region(r, P), scale(lambda step: 0)),
    "clip_region_norm": Case(lambda r: t.clip_region_norm(r, P, 0.5), clip),
    "clip_region_norm, blocks": Case(
        lambda r: t.clip_region_norm(r, P, 0.5, blocks=BLOCKS), clip_blocks
    ),
    "add_region_noise": Case(lambda r: t.add_region_noise(r, P, 0.3), noise(lambda *_: 0.3), True),
    "add_region_noise, annealed": Case(
        lambda r: t.add_region_noise(r, P, decaying, stream="other"),
        noise(lambda leaves, step: decaying(step), "other:protect"),
        True,
    ),
    "add_region_noise, relative": Case(
        lambda r: t.add_region_noise(r, P, 0.3, relative=True), noise(per_weight), True
    ),
    "drop_region_updates": Case(lambda r: t.drop_region_updates(r, P, 0.4), drop, True),
    "drop_region_blocks": Case(
        lambda r: t.drop_region_blocks(r, P, BLOCKS, keep=2), drop_blocks, True
    ),
    "drop_region_top": Case(
        lambda r: t.drop_region_top(r, P, 0.5), drop_top(lambda leaf: np.abs(leaf.grad))
    ),
    "drop_region_top, scores": Case(
        lambda r: t.drop_region_top(r, P, 0.5, by="scores"), drop_top(lambda leaf: -leaf.grad)
    ),
    "drop_region_top, per leaf": Case(
        lambda r: t.drop_region_top(r, P, 0.5, per_leaf=True),
        drop_top(lambda leaf: np.abs(leaf.grad), per_leaf=True),
    ),
    "chain": Case(lambda r: t.chain(*2 * [t.add_region_noise(r, P, 0.3)]), two_noises, random=True),
    "private_region_noise": Case(
        lambda r: t.private_region_noise(t.RegionClip(r, P, 0.5), 2.0, batch_size=4),
        private,
        random=True,
        weights=False,
    ),
    # The gradients of the tests are their parameters, too.
    "decay_region": Case(lambda r: t.decay_region(r, P, 0.3), scale(lambda step: 1.3)),
    "decay_region, schedule": Case(
        lambda r: t.decay_region(r, P, halving), scale(lambda step: 1 + halving(step))
    ),
    "scale_region": Case(lambda r: t.scale_region(r, P, 0.3), scale(lambda step: 0.3)),
    "scale_region, schedule": Case(lambda r: t.scale_region(r, P, halving), scale(halving)),
    "pptp, freeze": Case(lambda r: t.pptp(optax.sgd(0.1), r, freeze=True), frozen),
    "pptp": Case(
        lambda r: t.pptp(optax.sgd(0.1), r, max_norm=0.5, stddev=0.2, rate=0.4, scale=0.5),
        clipped_noisy_slow,
        True,
    ),
}


def tree(seed: int = 0, dtype: Any = jnp.float32) -> dict[str, Any]:
    """Matrices, vectors, a scalar, an empty array and a None, with values that differ."""
    draw = np.random.default_rng(seed).normal
    shapes = {
        "stem": {"w": (2, 3), "b": (3,), "none": None},
        "stage": {"w": (2, 3), "empty": (0, 3)},
        "head": {"w": (3,), "scale": ()},
    }
    return jax.tree.map(
        lambda shape: jnp.asarray(draw(size=shape), dtype),
        shapes,
        is_leaf=lambda shape: isinstance(shape, tuple),
    )


def weight_map(params: Any) -> WeightMap:
    """About half of all weights, in every leaf."""
    draw = np.random.default_rng(7).random
    return WeightMap.from_masks(
        {"protect": jax.tree.map(lambda leaf: jnp.asarray(draw(leaf.shape) < 0.5), params)}
    )


def update(
    tx: optax.GradientTransformationExtraArgs | optax.MultiSteps,
    grads: Any,
    state: Any,
    params: Any,
    key: jax.Array,
) -> tuple[Any, Any]:
    """One step, with all extra arguments that any of the transforms takes."""
    scores = jax.tree.map(jnp.negative, grads)
    return tx.update(grads, state, params, key=key, scores=scores)


def expected(case: Case, regions: Regions, grads: Any, key: jax.Array, step: int) -> list[Any]:
    """The leaves of the updates as the naive twin makes them."""
    placed = jax.tree_util.tree_leaves_with_path(grads)
    inside = jax.tree.leaves(regions.mask(grads, "protect"))
    leaves = [
        Leaf(
            path,
            jax.tree_util.keystr(place),
            np.array(grad, np.float64),
            np.broadcast_to(np.asarray(chosen), np.shape(grad)),
        )
        for path, (place, grad), chosen in zip(paths(grads), placed, inside, strict=True)
    ]
    case.twin(leaves, key, step)
    return [leaf.grad for leaf in leaves]
