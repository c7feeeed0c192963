"""Convolution and pooling without XLA's own, against XLA's own."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.models.convolution import Conv, batch_first, batch_last, max_pool2x2


def xlas(params, x, stride: int, groups: int):
    """A native convolution that pads as PyTorch does: the same on all sides."""
    around = params["kernel"].shape[0] // 2
    out = jax.lax.conv_general_dilated(
        x,
        params["kernel"],
        (stride, stride),
        [(around, around)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
    return out + params["bias"][None, None, None]


@pytest.mark.parametrize(
    ("size", "stride", "groups"),
    [(1, 1, 1), (1, 2, 1), (3, 1, 1), (3, 2, 1), (3, 3, 1), (5, 2, 1), (3, 1, 2), (3, 2, 4)],
)
@pytest.mark.parametrize("image", [(4, 6), (7, 5)], ids=["even", "odd"])
def test_the_convolution_is_xlas_own_in_values_and_gradients(size, stride, groups, image) -> None:
    # Two models side by side, each with its own parameters and images.
    x = jax.random.normal(jax.random.key(0), (2, 3, *image, 4))
    module = Conv(8, size=size, stride=stride, groups=groups)
    kernels = jax.random.normal(jax.random.key(1), (2, size, size, 4 // groups, 8))
    params = {"kernel": kernels, "bias": jnp.arange(16.0).reshape(2, 8)}
    shapes = jax.eval_shape(module.init, jax.random.key(0), batch_last(x[0]))["params"]
    assert jax.tree.map(jnp.shape, shapes) == jax.tree.map(lambda p: p.shape[1:], params)

    def ours(params, x):
        return batch_first(module.apply({"params": params}, batch_last(x)))

    def compared(convolve):
        def loss(params, x):
            out = convolve(params, x)
            return jnp.sin(out).sum(), out

        return jax.value_and_grad(loss, (0, 1), has_aux=True)

    (_, out), gradient = jax.jit(jax.vmap(compared(ours)))(params, x)
    assert out.shape == (2, 3, -(-image[0] // stride), -(-image[1] // stride), 8)
    # XLA's own vmapped convolution is a grouped one: the twin takes the models one by one.
    twin = jax.jit(compared(lambda params, x: xlas(params, x, stride, groups)))
    for i in range(2):
        (_, known), slopes = twin(jax.tree.map(lambda p, i=i: p[i], params), x[i])
        np.testing.assert_allclose(out[i], known, rtol=1e-4, atol=1e-4)
        chex.assert_trees_all_close(
            jax.tree.map(lambda g, i=i: g[i], gradient), slopes, rtol=1e-4, atol=1e-4
        )


def test_no_convolution_is_left_in_the_program_and_the_bias_is_optional() -> None:
    module = Conv(4, stride=2, use_bias=False)
    x = jnp.ones((3, 5, 5, 2))
    variables = jax.eval_shape(module.init, jax.random.key(0), x)
    assert set(variables["params"]) == {"kernel"}
    program = str(jax.make_jaxpr(jax.grad(lambda v: module.apply(v, x).sum()))(variables))
    assert "dot_general" in program
    assert "conv_general_dilated" not in program and "gather" not in program


@pytest.mark.parametrize("size", [(4, 4), (5, 7)])
def test_max_pooling_is_xlas_own(size: tuple[int, int]) -> None:
    x = jax.random.normal(jax.random.key(0), (2, *size, 3))

    def native(x: jax.Array) -> jax.Array:
        return nn.max_pool(x, (2, 2), strides=(2, 2))

    def ours(x: jax.Array) -> jax.Array:
        return batch_first(max_pool2x2(batch_last(x)))

    np.testing.assert_array_equal(ours(x), native(x))
    slope, known = (
        jax.jit(jax.grad(lambda x, pool=pool: (pool(x) ** 2).sum()))(x) for pool in (ours, native)
    )
    np.testing.assert_allclose(slope, known, rtol=1e-6)


def test_equal_maxima_share_the_gradient() -> None:
    x = jnp.asarray([[1.0, 1.0, 0.0, 3.0], [1.0, 1.0, 3.0, 2.0]])[None, :, :, None]
    slope = jax.grad(lambda x: (5 * max_pool2x2(x)).sum())(x)[0, :, :, 0]
    known = 5 * np.asarray([[0.25, 0.25, 0.0, 0.5], [0.25, 0.25, 0.5, 0.0]])
    np.testing.assert_allclose(slope, known, rtol=1e-6)


@pytest.mark.parametrize(
    ("conv", "message"),
    [
        (Conv(4, size=2), "size must be odd, so that a pixel is its centre, got 2"),
        (Conv(4, groups=3), "groups must divide the 4 channels that come in and the 4 that go out"),
        (Conv(4, stride=0), "stride must be a whole number of at least 1, got 0"),
    ],
)
def test_a_convolution_that_cannot_be_is_refused(conv: Conv, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        conv.init(jax.random.key(0), jnp.ones((4, 5, 5, 2)))
