"""Models: shapes, blocks, parameter counts; the convolution against XLA's own."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.models import Model, cnn, from_linen, mlp
from pptp_jax.models.convolution import Conv, max_pool2x2
from pptp_jax.regions import RegionMap, paths


def built(model: Model, *shape: int):
    return jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((2, *shape)))


@pytest.mark.parametrize(
    ("model", "shape", "count"),
    [
        (mlp([512, 256, 128], 30), (446,), 447 * 512 + 513 * 256 + 257 * 128 + 129 * 30),
        (mlp([16], 10, activation="relu"), (8, 8, 1), 65 * 16 + 17 * 10),
        (
            cnn([16, 32, 64], 128, 10),
            (32, 32, 3),
            28 * 16 + 145 * 32 + 289 * 64 + 1025 * 128 + 129 * 10,
        ),
    ],
    ids=["mlp", "mlp on images", "cnn"],
)
def test_parameters_and_blocks(model: Model, shape: tuple[int, ...], count: int) -> None:
    variables = built(model, *shape)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables.params)) == count
    labels = RegionMap.from_rules([(b.pattern, b.name) for b in model.blocks]).labels(
        variables.params
    )
    assert set(jax.tree.leaves(labels)) == {block.name for block in model.blocks}
    # Forward order is depth order: each block's kernel takes what the one before gives.
    widths = [
        dict(zip(paths(variables.params), jax.tree.leaves(variables.params), strict=True))[
            f"{block.name}/bias"
        ].shape[0]
        for block in model.blocks
    ]
    logits, state = jax.eval_shape(
        lambda v, x: model.apply(*v, x, train=False, key=None), variables, jnp.zeros((2, *shape))
    )
    assert logits.shape == (2, widths[-1])
    assert state == variables.state


def test_the_convolution_is_xlas_own_in_values_and_gradients() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 7, 6, 3))
    module = Conv(5)
    params = module.init(jax.random.key(1), x)
    params = jax.tree.map(lambda p: p + 0.1, params)

    def ours(params, x):
        return jnp.sin(module.apply(params, x)).sum()

    def xlas(params, x):
        return jnp.sin(nn.Conv(5, (3, 3)).apply(params, x)).sum()

    chex.assert_trees_all_close(
        jax.jit(jax.value_and_grad(ours, (0, 1)))(params, x),
        jax.jit(jax.value_and_grad(xlas, (0, 1)))(params, x),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("size", [(4, 4), (5, 7)])
def test_max_pooling_is_xlas_own(size: tuple[int, int]) -> None:
    x = jax.random.normal(jax.random.key(0), (2, *size, 3))

    def xlas(x: jax.Array) -> jax.Array:
        return nn.max_pool(x, (2, 2), strides=(2, 2))

    np.testing.assert_array_equal(max_pool2x2(x), xlas(x))
    ours, known = (
        jax.jit(jax.grad(lambda x, pool=pool: (pool(x) ** 2).sum()))(x)
        for pool in (max_pool2x2, xlas)
    )
    np.testing.assert_allclose(ours, known, rtol=1e-6)


class Wobbly(nn.Module):
    """Batch norm and dropout: all that differs between training and evaluation."""

    @nn.compact
    def __call__(self, x, *, train: bool):
        x = nn.BatchNorm(use_running_average=not train, name="norm")(x)
        x = nn.Dropout(0.5, deterministic=not train)(x)
        return nn.Dense(2, name="head")(x)


def test_a_linen_module_keeps_its_state_and_draws_its_dropout() -> None:
    model = from_linen(Wobbly(), ["norm", "head"])
    x = jax.random.normal(jax.random.key(0), (8, 3))
    params, state = model.init(jax.random.key(1), x)
    assert set(state) == {"batch_stats"}
    _, evaluated = model.apply(params, state, x, train=False, key=None)
    chex.assert_trees_all_equal(evaluated, state)
    first, trained = model.apply(params, state, x, train=True, key=jax.random.key(2))
    second, _ = model.apply(params, state, x, train=True, key=jax.random.key(3))
    assert not np.allclose(first, second)
    assert not np.allclose(
        trained["batch_stats"]["norm"]["mean"], state["batch_stats"]["norm"]["mean"]
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mlp([], 10), "hidden_layers must be a whole number of at least 1, got 0"),
        (lambda: mlp([8, 0], 10), r"hidden\[1\] must be a whole number of at least 1, got 0"),
        (lambda: mlp([8], 1), "num_classes must be a whole number of at least 2, got 1"),
        (lambda: mlp([8], 10, activation="tan"), "did you mean 'tanh'"),
        (lambda: cnn([], 8, 10), "convolutions must be a whole number of at least 1, got 0"),
        (lambda: cnn([8, -1], 8, 10), r"channels\[1\] must be a whole number of at least 1"),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
