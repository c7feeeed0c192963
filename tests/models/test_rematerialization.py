"""Blocks that are computed again: the same numbers, from less that is kept."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import pytest
from filling import filled

from pptp_jax.models import (
    Model,
    from_linen,
    rebuilt,
    resnet8,
    resnet9,
    resnet18,
    vgg11_bn,
    vit,
    wrn28,
)
from pptp_jax.models.fast_resnet import FastResNet
from pptp_jax.models.resnet import ResNet
from pptp_jax.models.vgg import VGG
from pptp_jax.models.wide_resnet import WideResNet

pytestmark = pytest.mark.usefixtures("compile_in_haste")

X = jax.random.normal(jax.random.key(0), (4, 8, 8, 3))
SMALL = partial(vit, 3, patch=2, width=8, depths=(2,), heads=2, mlp=16, dropout=0.3)


def of(module, blocks) -> tuple[Model, Model]:
    """As it is, and with its blocks computed again."""
    return from_linen(module, blocks), from_linen(module.clone(remat=True), blocks)


# With the most that may be kept, as a share of what is kept otherwise.
PAIRS = {
    "resnet": (of(ResNet((4,), 2, 3, "batch"), ["stem", "stage1", "head"]), 0.3),
    "fast": (of(FastResNet(2, 3, "batch"), ["stem", "stage1", "stage2", "stage3", "head"]), 0.5),
    "wide": (of(WideResNet(4, (4,), 2, 3, "batch", 0.3), ["stem", "stage1", "head"]), 0.3),
    "vgg": (of(VGG(((4,), (8, 8)), 3, "group"), ["stem", "stage1", "head"]), 0.15),
    "vit": ((SMALL(), SMALL(remat=True)), 0.15),
}


def step(model: Model, state, params, key):
    def loss(params):
        logits, after = model.apply(params, state, X, train=True, key=key)
        return (logits**2).sum(), after

    return jax.vjp(loss, params, has_aux=True)


@pytest.mark.parametrize("name", PAIRS)
def test_the_same_numbers_from_less_that_is_kept(name: str) -> None:
    (plain, anew), share = PAIRS[name]
    variables = filled(plain, X)
    chex.assert_trees_all_equal_shapes_and_dtypes(variables, filled(anew, X))

    def passes(model: Model, params, key):
        loss, pull_back, after = step(model, variables.state, params, key)
        return loss, after, pull_back(jnp.float32(1))[0]

    keys = jax.random.split(jax.random.key(2))
    known, found = (
        jax.jit(jax.vmap(partial(passes, model), in_axes=(None, 0)))(variables.params, keys)
        for model in (plain, anew)
    )
    chex.assert_trees_all_close(found, known, rtol=1e-4, atol=1e-5)
    # Besides the parameters, what the backward pass is handed.
    parameters = sum(leaf.nbytes for leaf in jax.tree.leaves(variables.params))
    kept = []
    for model in (plain, anew):
        residuals = jax.eval_shape(partial(step, model, variables.state), variables.params, keys[0])
        leaves = [leaf for leaf in jax.tree.leaves(residuals[1]) if leaf.dtype != keys.dtype]
        kept.append(sum(leaf.size * leaf.dtype.itemsize for leaf in leaves))
    assert kept[1] - parameters < share * (kept[0] - parameters), kept


def test_what_is_looked_at_besides_is_the_same() -> None:
    (plain, anew), _ = PAIRS["resnet"]
    variables = filled(plain, X)

    def looks(model: Model, x):
        partly = model.apply(*variables, x, train=("head",), key=None)
        return model.features(*variables, x), model.statistics(*variables, x), partly

    known, found = (jax.jit(partial(looks, model))(X) for model in (plain, anew))
    assert len(jax.tree.leaves(known)) > 20
    chex.assert_trees_all_close(found, known, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [resnet8, resnet9, resnet18, vgg11_bn, vit, partial(wrn28, 1)])
def test_the_record_tells(make) -> None:
    plain, anew = make(), make(remat=True)
    assert (plain.config["remat"], anew.config["remat"]) == (False, True)
    assert rebuilt(anew, num_classes=3).config == make(num_classes=3, remat=True).config
    assert [block.name for block in anew.blocks] == [block.name for block in plain.blocks]
