"""The small models and Linen's: shapes, blocks, parameter counts, state and dropout."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.models import Model, cnn, from_linen, mlp
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


def test_dropout_drops_a_share_of_the_hidden_layers_in_training_alone() -> None:
    # The head averages a thousand hidden values of 1, each dropped or doubled.
    hidden, keys = 1000, jax.random.split(jax.random.key(1), 4)
    model, x = mlp([hidden], 2, activation="relu", dropout=0.5), jnp.ones((1, 3))
    variables = jax.eval_shape(model.init, keys[0], x)
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), variables.params)
    params["stem"]["bias"] += 1.0
    params["head"]["kernel"] += 1.0 / hidden
    kept, _ = model.apply(params, {}, x, train=False, key=None)
    np.testing.assert_allclose(kept, 1, rtol=1e-5)
    draw = jax.jit(jax.vmap(lambda key: model.apply(params, {}, x, train=True, key=key)[0][0, 0]))
    drawn = np.asarray(draw(keys))
    # Twice the share that stays: its standard deviation is 1/√hidden.
    np.testing.assert_allclose(drawn, 1, atol=5 / hidden**0.5)
    assert np.ptp(drawn) > 0.5 / hidden
    np.testing.assert_array_equal(draw(keys), drawn)


def test_a_normed_cnn_has_no_convolution_bias_and_as_many_parameters() -> None:
    for norm in ("batch", "group"):
        model = cnn([4, 8], 16, 10, norm=norm)
        params = built(model, 8, 8, 3).params
        count = 27 * 4 + 2 * 4 + 36 * 8 + 2 * 8 + 33 * 16 + 17 * 10
        assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
        assert set(params["stem"]) == {"conv", "norm"} and set(params["stem"]["conv"]) == {"kernel"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mlp([], 10), "hidden_layers must be an integer of at least 1, got 0"),
        (lambda: mlp([8, 0], 10), r"hidden\[1\] must be an integer of at least 1, got 0"),
        (lambda: mlp([8], 0), "num_classes must be an integer of at least 1, got 0"),
        (lambda: mlp([8], 10, activation="tan"), "did you mean 'tanh'"),
        (lambda: cnn([], 8, 10), "convolutions must be an integer of at least 1, got 0"),
        (lambda: cnn([8, -1], 8, 10), r"channels\[1\] must be an integer of at least 1"),
        (lambda: cnn([8], 8, 10, norm="bach"), "did you mean 'batch'"),
        (lambda: cnn([8], 8, 10, dropout=-0.1), "dropout must lie between 0 and 1, got -0.1"),
        (lambda: mlp([8], 10, dropout=1.5), "dropout must lie between 0 and 1, got 1.5"),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
