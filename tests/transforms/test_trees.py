"""The trees of Linen, NNX, Equinox and Haiku, each with the rules that its names ask for."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from transform_table import TABLE, update

from pptp_jax.regions import Block, RegionMap, paths
from pptp_jax.transforms import freeze_region

KEY = jax.random.key(0)
X = jnp.ones((1, 2))


def linen() -> tuple[Any, RegionMap]:
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            return nn.Dense(2, name="head")(nn.relu(nn.Dense(3, name="stem")(x)))

    return Net().init(KEY, X)["params"], RegionMap.from_rules(
        [("stem/(kernel|bias)", "protect"), ("head/(kernel|bias)", "general")]
    )


def linen_boxed() -> tuple[Any, RegionMap]:
    box = nn.with_partitioning(nn.initializers.ones, (None, None))

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = nn.Dense(3, name="stem", kernel_init=box)(x)
            return nn.Dense(2, name="head", kernel_init=box)(x)

    return Net().init(KEY, X)["params"], linen()[1]


def nnx_state() -> tuple[Any, RegionMap]:
    class Net(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.stem = nnx.Linear(2, 3, rngs=rngs)
            self.norm = nnx.BatchNorm(3, rngs=rngs)
            self.head = nnx.Linear(3, 2, rngs=rngs)

    regions = [("stem/(kernel|bias)|norm/(scale|bias)", "protect"), ("head/.*", "general")]
    return nnx.state(Net(nnx.Rngs(0)), nnx.Param), RegionMap.from_rules(regions)


def equinox() -> tuple[Any, RegionMap]:
    net = eqx.nn.MLP(2, 2, 3, depth=1, key=KEY)
    return eqx.filter(net, eqx.is_inexact_array), RegionMap.from_rules(
        [("layers/0/.*", "protect"), ("layers/1/.*", "general")]
    )


def haiku() -> tuple[Any, RegionMap]:
    net = hk.transform(lambda x: hk.nets.MLP([3, 2])(x))
    return net.init(KEY, X), RegionMap.from_rules(
        [("mlp/~/linear_0/[wb]", "protect"), (Block("head", "mlp/~/linear_1/.*"), "general")]
    )


TREES = {f.__name__: f for f in (linen, linen_boxed, nnx_state, equinox, haiku)}
every_tree = pytest.mark.parametrize("make", TREES.values(), ids=TREES)
named = ("add_region_noise", "clip_region_norm", "scale_region")


@every_tree
def test_transforms_keep_the_tree_and_the_other_region(make: Callable) -> None:
    params, regions = make()
    general = jax.tree.leaves(regions.mask(params, "general"))
    for name in named:
        tx = TABLE[name].make(regions)
        updates, _ = update(tx, params, tx.init(params), params, KEY)
        assert jax.tree.structure(updates) == jax.tree.structure(params)
        pairs = zip(jax.tree.leaves(updates), jax.tree.leaves(params), general, strict=True)
        for new, old, other in pairs:
            if other:
                np.testing.assert_array_equal(new, old)
        before, after = jax.tree.leaves(params), jax.tree.leaves(updates)
        assert any(jnp.any(a != b) for a, b in zip(before, after, strict=True)), name


@every_tree
def test_a_region_of_any_tree_is_frozen(make: Callable) -> None:
    params, regions = make()
    tx = optax.chain(
        optax.add_decayed_weights(0.1), optax.sgd(0.1), freeze_region(regions, "protect")
    )
    ones = jax.tree.map(jnp.ones_like, params)
    updates, _ = tx.update(ones, tx.init(params), params)
    frozen = jax.tree.leaves(regions.mask(params, "protect"))
    assert 0 < sum(frozen) < len(frozen)
    for leaf, still in zip(jax.tree.leaves(updates), frozen, strict=True):
        assert bool(jnp.any(leaf)) is not still


def test_one_name_serves_linen_and_nnx() -> None:
    """The box around a parameter is no part of its name."""
    assert paths(linen_boxed()[0]) == paths(linen()[0])
    assert {"stem/bias", "stem/kernel"} < set(paths(nnx_state()[0]))
