"""Convolution and pooling without XLA's own, against XLA's own."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.models.convolution import Conv, max_pool2x2


def xlas(params, x, stride: int):
    """A native convolution that pads as PyTorch does: the same on all sides."""
    around = params["kernel"].shape[0] // 2
    out = jax.lax.conv_general_dilated(
        x,
        params["kernel"],
        (stride, stride),
        [(around, around)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return out + params["bias"][None, None, None]


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("image", [(4, 6), (7, 5)], ids=["even", "odd"])
def test_the_convolution_is_xlas_own_in_values_and_gradients(size, stride, image) -> None:
    # Two models side by side, each with its own parameters and images.
    x = jax.random.normal(jax.random.key(0), (2, 3, *image, 3))
    module = Conv(5, size=size, stride=stride)
    kernels = jax.random.normal(jax.random.key(1), (2, size, size, 3, 5))
    params = {"kernel": kernels, "bias": jnp.arange(10.0).reshape(2, 5)}
    shapes = jax.eval_shape(module.init, jax.random.key(0), x[0])["params"]
    assert jax.tree.map(jnp.shape, shapes) == jax.tree.map(lambda p: p.shape[1:], params)

    def ours(params, x):
        return module.apply({"params": params}, x)

    def compared(convolve):
        def loss(params, x):
            out = convolve(params, x)
            return jnp.sin(out).sum(), out

        return jax.value_and_grad(loss, (0, 1), has_aux=True)

    (_, out), gradient = jax.jit(jax.vmap(compared(ours)))(params, x)
    assert out.shape == (2, 3, -(-image[0] // stride), -(-image[1] // stride), 5)
    # XLA's own vmapped convolution is a grouped one: the twin takes the models one by one.
    twin = jax.jit(compared(lambda params, x: xlas(params, x, stride)))
    for i in range(2):
        (_, known), slopes = twin(jax.tree.map(lambda p, i=i: p[i], params), x[i])
        np.testing.assert_allclose(out[i], known, rtol=1e-4, atol=1e-5)
        chex.assert_trees_all_close(
            jax.tree.map(lambda g, i=i: g[i], gradient), slopes, rtol=1e-4, atol=1e-5
        )


def test_no_convolution_is_left_in_the_program_and_the_bias_is_optional() -> None:
    module = Conv(4, stride=2, use_bias=False)
    x = jnp.ones((2, 5, 5, 3))
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

    np.testing.assert_array_equal(max_pool2x2(x), native(x))
    ours, known = (
        jax.jit(jax.grad(lambda x, pool=pool: (pool(x) ** 2).sum()))(x)
        for pool in (max_pool2x2, native)
    )
    np.testing.assert_allclose(ours, known, rtol=1e-6)
