"""Training mode of part of a network: frozen blocks keep their statistics and drop nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filling import filled

from pptp_jax.models import (
    Model,
    Variables,
    cnn,
    from_linen,
    learns,
    mlp,
    resnet8,
    resnet9,
    vit,
    wrn28,
)
from pptp_jax.models.fast_resnet import FastResNet
from pptp_jax.models.resnet import ResNet
from pptp_jax.models.vgg import VGG
from pptp_jax.models.wide_resnet import WideResNet

X = jax.random.normal(jax.random.key(0), (4, 8, 8, 3))
KEY = jax.random.key(2)

# Two frozen blocks, two that learn; each network and the blocks of it that have batch norms.
NORMED = {
    "resnet": (
        from_linen(ResNet((4, 4), 1, 3, "batch"), ["stem", "stage1", "stage2", "head"]),
        {"stem", "stage1", "stage2"},
    ),
    "fast": (
        from_linen(FastResNet(2, 3, "batch"), ["stem", "stage1", "stage2", "stage3", "head"]),
        {"stem", "stage1", "stage2", "stage3"},
    ),
    "wide": (
        from_linen(WideResNet(4, (4, 4), 1, 3, "batch", 0.0), ["stem", "stage1", "stage2", "head"]),
        {"stage1", "stage2", "head"},
    ),
    "vgg": (
        from_linen(VGG(((4,), (4,), (4,)), 3, "batch"), ["stem", "stage1", "stage2", "head"]),
        {"stem", "stage1", "stage2"},
    ),
    "cnn": (cnn([4, 4, 4], 4, 3, norm="batch"), {"stem", "stage1", "stage2"}),
}
# Each network and how often each of its blocks drops something.
DROPPED = {
    "mlp": (mlp([16, 16], 3, dropout=0.5), {"stem": 1, "stage1": 1, "head": 0}),
    "cnn": (cnn([4], 8, 3, dropout=0.5), {"stem": 1, "stage1": 1, "head": 0}),
    "wide": (
        from_linen(WideResNet(4, (4,), 2, 3, "group", 0.5), ["stem", "stage1", "head"]),
        {"stem": 0, "stage1": 2, "head": 0},
    ),
    "resnet": (
        resnet8(3, width=2, norm="group", dropout=0.5),
        {"stem": 0, "stage1": 0, "stage2": 0, "stage3": 1, "head": 0},
    ),
    "fast": (
        resnet9(3, width=2, norm="group", dropout=0.5),
        {"stem": 0, "stage1": 0, "stage2": 0, "stage3": 1, "head": 0},
    ),
    "vit": (
        vit(3, patch=4, width=8, depths=(2, 1), heads=2, mlp=8, dropout=0.5),
        {"patch_embed": 1, "stage1": 6, "stage2": 3, "head": 0},
    ),
}


def traced(model: Model, variables: Variables, train):
    """The program of a forward pass."""
    key = None if train is False else KEY
    return jax.make_jaxpr(lambda v: model.apply(*v, X, train=train, key=key))(variables).jaxpr


def named(variables: Variables, blocks: set[str], factor: float) -> Variables:
    """The statistics of some blocks multiplied."""
    statistics = dict(variables.state["batch_stats"])
    for block in blocks & statistics.keys():
        statistics[block] = jax.tree.map(lambda leaf: leaf * factor, statistics[block])
    return variables._replace(state={"batch_stats": statistics})


@pytest.mark.parametrize("network", NORMED)
def test_frozen_blocks_use_their_statistics_and_keep_them(network: str, compile_in_haste) -> None:
    model, having = NORMED[network]
    variables = filled(model, X)
    assert set(variables.state["batch_stats"]) == having
    names = [block.name for block in model.blocks]
    frozen, learning = set(names[:2]), set(names[2:])
    apply = jax.jit(lambda v: model.apply(*v, X, train=tuple(names[2:]), key=None))
    logits, state = apply(variables)
    for block, before in variables.state["batch_stats"].items():
        after = jax.tree.leaves(state["batch_stats"][block])
        pairs = zip(jax.tree.leaves(before), after, strict=True)
        same = [np.array_equal(a, b) for a, b in pairs]
        assert all(same) if block in frozen else not any(same), block
    # Frozen blocks use their own statistics, the others those of the batch.
    np.testing.assert_array_equal(apply(named(variables, learning, 2.0))[0], logits)
    assert not np.allclose(apply(named(variables, frozen, 2.0))[0], logits, atol=1e-4)


@pytest.mark.parametrize("network", NORMED)
def test_all_names_are_as_good_as_true_and_none_as_false(network: str) -> None:
    model, _ = NORMED[network]
    variables = filled(model, X)
    names = tuple(block.name for block in model.blocks)
    whole, evaluated = (str(traced(model, variables, train)) for train in (True, False))
    assert str(traced(model, variables, names)) == whole != evaluated
    assert str(traced(model, variables, ())) == evaluated


def draws(program) -> int:
    """How often a program draws random bits, inner programs included."""
    inner = [v.jaxpr for eqn in program.eqns for v in eqn.params.values() if hasattr(v, "jaxpr")]
    own = sum(eqn.primitive.name == "random_bits" for eqn in program.eqns)
    return own + sum(map(draws, inner))


@pytest.mark.parametrize("network", DROPPED)
def test_only_blocks_that_learn_drop(network: str) -> None:
    model, expected = DROPPED[network]
    assert [block.name for block in model.blocks] == list(expected)
    variables = jax.eval_shape(model.init, KEY, X)
    assert draws(traced(model, variables, True)) == sum(expected.values())
    assert draws(traced(model, variables, False)) == 0
    for block, count in expected.items():
        assert draws(traced(model, variables, (block,))) == count, block


def test_wrn28_drops_once_in_each_of_its_twelve_blocks() -> None:
    model = wrn28(1, dropout=0.5)
    variables = jax.eval_shape(model.init, KEY, X)
    assert draws(traced(model, variables, True)) == 12


def test_a_model_that_knows_only_a_bool_trains_all_its_blocks() -> None:
    def apply(params, state, x, *, train, key):
        return x * (2.0 if train else 1.0), state

    model = Model(lambda key, x: Variables({}, {}), apply)
    np.testing.assert_array_equal(model.apply({}, {}, X, train=("stem",), key=None)[0], 2 * X)
    assert learns(("stem",), "stem") and not learns((), "stem") and not learns(False, "stem")


def test_names_that_are_no_blocks_are_refused() -> None:
    model = mlp([4], 3)
    variables = jax.eval_shape(model.init, KEY, X)
    with pytest.raises(ValueError, match=r"train 'stm' is unknown; did you mean 'stem'\?"):
        model.apply(*variables, jnp.ones((1, 192)), train=("stm", "head"), key=None)


@pytest.mark.parametrize("name", NORMED)
def test_features_are_what_the_blocks_return_in_eval_mode(name: str) -> None:
    model, _ = NORMED[name]
    variables = filled(model, X)
    logits, _ = model.apply(*variables, X, train=False, key=None)
    assert model.features is not None
    features = model.features(*variables, X)
    assert len(features) == len(model.blocks)
    assert all(len(part) == len(X) for part in features)
    np.testing.assert_array_equal(features[-1], logits)
