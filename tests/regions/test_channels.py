"""Channels: which arrays share them, and which are chosen, against NumPy."""

import re
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.models import resnet8, vit
from pptp_jax.regions import RegionMap, top_channels

# The arrays of a filter, by hand: the kernel has its channels last, or first.
LAST = {
    "block": {
        "conv1": {"conv": {"kernel": (3, 3, 2, 4)}, "norm": {"scale": (4,), "bias": (4,)}},
        "conv2": {"conv": {"kernel": (1, 1, 4, 3)}, "norm": {"scale": (3,), "bias": (3,)}},
    },
    "head": {"kernel": (3, 5), "bias": (5,), "temperature": ()},
}


def drawn(shapes: Any, rng: np.random.Generator) -> Any:
    return jax.tree.map(
        lambda shape: rng.random(shape, np.float32),
        shapes,
        is_leaf=lambda node: isinstance(node, tuple),
    )


def naive(filters: list[list[np.ndarray]], share: float) -> list[np.ndarray]:
    """Which channels are chosen, one Boolean array a filter bank; all have their channels last."""
    means = [
        [np.mean(np.concatenate([np.ravel(a[..., c]) for a in bank])) for c in range(len(bank[-1]))]
        for bank in filters
    ]
    every = np.concatenate(means)
    chosen = np.zeros(len(every), bool)
    chosen[np.argsort(-every, kind="stable")[: round(share * len(every))]] = True
    return np.split(chosen, np.cumsum([len(own) for own in means])[:-1])


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_channels_with_the_highest_means(share: float, rng: np.random.Generator) -> None:
    scores = drawn(LAST, rng)
    scores["block"]["conv2"]["conv"]["kernel"] *= 2  # large scores in a small kernel
    mask = top_channels(scores, share)
    banks = [scores["block"][name] for name in ("conv1", "conv2")]
    arrays = [[b["conv"]["kernel"], b["norm"]["bias"], b["norm"]["scale"]] for b in banks]
    arrays.append([scores["head"]["kernel"], scores["head"]["bias"]])
    masks = [mask["block"][name] for name in ("conv1", "conv2")]
    ours = [[b["conv"]["kernel"], b["norm"]["bias"], b["norm"]["scale"]] for b in masks]
    ours.append([mask["head"]["kernel"], mask["head"]["bias"]])
    for bank, own, known in zip(arrays, ours, naive(arrays, share), strict=True):
        for array, chosen in zip(bank, own, strict=True):
            np.testing.assert_array_equal(chosen, np.broadcast_to(known, array.shape))
    assert not mask["head"]["temperature"]


def test_within_a_region_the_share_is_of_its_channels(rng: np.random.Generator) -> None:
    scores = drawn(LAST, rng)
    regions = RegionMap.from_rules([("block/conv1/conv/.*", "protect"), (".*", "general")])
    within = regions.mask(scores, "protect")
    mask = jax.jit(lambda s, share: top_channels(s, share, within=within))(scores, 0.5)
    own = mask["block"]["conv1"]
    assert own["conv"]["kernel"].all((0, 1, 2)).sum() == 2
    assert sum(int(leaf.sum()) for leaf in jax.tree.leaves(mask)) == 2 * 9 * 2


def test_a_vector_of_no_kernel_has_no_channels(rng: np.random.Generator) -> None:
    block = {"norm1": {"scale": (4,)}, "conv1": {"kernel": (4, 4)}, "conv2": {"kernel": (4, 4)}}
    mask = top_channels(drawn({"block": block, "gain": (4,)}, rng), 1.0)
    assert not mask["block"]["norm1"]["scale"].any() and not mask["gain"].any()
    assert mask["block"]["conv1"]["kernel"].all() and mask["block"]["conv2"]["kernel"].all()
    # Of two kernels in one module it is unknown which of them has the vector.
    flat = top_channels(drawn({"w1": (2, 3), "w2": (3, 3), "b": (3,)}, rng), 1.0)
    assert flat["w1"].all() and not flat["b"].any()


def test_equinox_has_channels_first() -> None:
    layers = {
        "conv": eqx.nn.Conv2d(2, 3, 3, key=jax.random.key(0)),
        "dense": eqx.nn.Linear(4, 2, key=jax.random.key(1)),
    }
    scores = eqx.filter(jax.tree.map(jnp.zeros_like, eqx.filter(layers, eqx.is_array)), True)
    place = lambda tree: tree["conv"].weight  # noqa: E731
    scores = eqx.tree_at(place, scores, place(scores).at[1].set(1.0))
    mask = top_channels(scores, 0.2)  # one of five
    assert mask["conv"].weight.shape == (3, 2, 3, 3)
    np.testing.assert_array_equal(mask["conv"].weight.all((1, 2, 3)), [False, True, False])
    np.testing.assert_array_equal(mask["conv"].bias.ravel(), [False, True, False])
    assert not mask["dense"].weight.any() and not mask["dense"].bias.any()


def shapes_of(model: Any) -> Any:
    x = jnp.zeros((1, 16, 16, 3))
    return jax.eval_shape(model.init, jax.random.key(0), x).params


def test_of_a_residual_network_every_weight_is_in_a_channel(rng: np.random.Generator) -> None:
    scores = jax.tree.map(lambda leaf: rng.random(leaf.shape, np.float32), shapes_of(resnet8(10)))
    assert all(leaf.all() for leaf in jax.tree.leaves(top_channels(scores, 1.0)))
    half = top_channels(scores, 0.5)
    chosen = [
        half[f"stage{i}"]["block1"][name]["conv"]["kernel"].all((0, 1, 2))
        for i, names in ((1, "12"), (2, "12s"), (3, "12s"))
        for name in ({"1": "conv1", "2": "conv2", "s": "shortcut"}[n] for n in names)
    ]
    chosen += [half["stem"]["conv"]["kernel"].all((0, 1, 2)), half["head"]["kernel"].all(0)]
    # 16 in the stem, 2 · 16, 3 · 32 and 3 · 64 in the stages, 10 in the head.
    assert sum(map(len, chosen)) == 346 and sum(int(own.sum()) for own in chosen) == 173


def test_the_heads_of_an_attention_have_channels_of_two_axes(rng: np.random.Generator) -> None:
    shapes = shapes_of(vit(num_classes=10, width=12, heads=3, mlp=24))
    scores = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
    query = scores["stage1"]["block1"]["attention"]["query"]
    query["kernel"][:, 1, 2] = 1.0
    query["bias"][1, 2] = 1.0
    # One of 6 · (4 · 12 + 24 + 12) in the blocks, 2 · 12 in the embedding, 10 in the head.
    mask = top_channels(scores, 1 / 538)
    jax.tree.map(lambda own, score: np.testing.assert_array_equal(own, score > 0), mask, scores)


def test_bad_input() -> None:
    scores = {"a": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        top_channels(scores, 1.5)
    said = "no array has channels: an array of two axes or more is needed, got a/bias"
    with pytest.raises(ValueError, match=re.escape(said)):
        top_channels(scores, 0.5, within={"a": {"kernel": False, "bias": True}})
    with pytest.raises(
        ValueError, match="within leaves, not single weights: give the mask of a RegionMap"
    ):
        top_channels(scores, 0.5, within=jax.tree.map(lambda leaf: leaf > 0, scores))
