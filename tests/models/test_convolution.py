"""Convolution with derivatives of its own and pooling, against XLA's own."""

import re

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pptp_jax.models.convolution import Conv
from pptp_jax.models.pooling import max_pool2x2


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
    ("size", "stride", "groups", "features"),
    [
        (1, 1, 1, 8),
        (1, 2, 1, 8),
        (3, 1, 1, 8),
        (3, 2, 1, 8),
        (3, 3, 1, 8),
        (5, 2, 1, 8),
        (3, 1, 2, 8),
        (3, 2, 4, 8),
        # From 32 channels on rows are dilated.
        (3, 1, 1, 32),
        (3, 2, 1, 32),
        (5, 1, 1, 32),
    ],
)
@pytest.mark.parametrize("image", [(4, 6), (7, 5)], ids=["even", "odd"])
def test_the_convolution_is_xlas_own_in_values_and_gradients(
    size, stride, groups, features, image
) -> None:
    # Two models side by side, each with its own parameters and images.
    x = jax.random.normal(jax.random.key(0), (2, 3, *image, 4))
    module = Conv(features, size=size, stride=stride, groups=groups)
    kernels = jax.random.normal(jax.random.key(1), (2, size, size, 4 // groups, features))
    params = {"kernel": kernels, "bias": jnp.arange(2.0 * features).reshape(2, features)}
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
    assert out.shape == (2, 3, -(-image[0] // stride), -(-image[1] // stride), features)
    # XLA's own vmapped convolution is a grouped one: the twin takes the models one by one.
    twin = jax.jit(compared(lambda params, x: xlas(params, x, stride, groups)))
    for i in range(2):
        (_, known), slopes = twin(jax.tree.map(lambda p, i=i: p[i], params), x[i])
        np.testing.assert_allclose(out[i], known, rtol=1e-4, atol=1e-4)
        chex.assert_trees_all_close(
            jax.tree.map(lambda g, i=i: g[i], gradient), slopes, rtol=1e-4, atol=1e-4
        )


def gradient(module: Conv, x: jax.Array):
    """The gradients of the sum of squares, of the parameters and of the images."""

    def loss(variables, x):
        return (module.apply(variables, x) ** 2).sum()

    return jax.grad(loss, (0, 1))


def test_the_bias_is_optional() -> None:
    module, x = Conv(4, use_bias=False), jnp.ones((2, 5, 5, 3))
    assert set(jax.eval_shape(module.init, jax.random.key(0), x)["params"]) == {"kernel"}


def test_elsewhere_than_on_a_cpu_the_convolutions_are_xlas_own() -> None:
    module, x = Conv(32), jnp.ones((2, 6, 6, 32))
    variables = module.init(jax.random.key(0), x)
    traced = jax.jit(gradient(module, x)).trace(variables, x)
    for platform, dilated in (("tpu", 0), ("cuda", 0), ("cpu", 3)):
        program = traced.lower(lowering_platforms=(platform,)).as_text()
        windows = re.findall(r"stablehlo.convolution.*", program)
        assert len(windows) == 3
        # Rows that are dilated and skipped again, where that is faster.
        assert sum("lhs_dilate = [2, 1]" in window for window in windows) == dilated
        assert ("optimization_barrier" in program) == (platform == "cpu")


@pytest.mark.parametrize("stride", [1, 2])
def test_models_side_by_side_are_no_grouped_convolution_on_a_cpu(stride: int) -> None:
    module, x = Conv(6, stride=stride), jax.random.normal(jax.random.key(0), (2, 3, 6, 6, 4))
    variables = jax.vmap(module.init)(jax.random.split(jax.random.key(1)), x)
    traced = jax.jit(jax.vmap(gradient(module, x[0]))).trace(variables, x)
    program = traced.lower(lowering_platforms=("cpu",)).as_text()
    assert "convolution" in program
    assert set(re.findall(r"(?:feature|batch)_group_count = (\d+)", program)) == {"1"}


@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 2)])
def test_gradients_of_each_example_are_those_of_one_example_after_another(stride, groups) -> None:
    module = Conv(32, stride=stride, groups=groups)
    x = jax.random.normal(jax.random.key(0), (2, 3, 1, 5, 6, 4))
    variables = jax.vmap(module.init)(jax.random.split(jax.random.key(1)), x[:, 0])
    of_one = gradient(module, x[0, 0])
    of_each = jax.vmap(jax.vmap(of_one, (None, 0)))(variables, x)
    for model in range(2):
        own = jax.tree.map(lambda leaf, model=model: leaf[model], variables)
        for example in range(3):
            known = of_one(own, x[model, example])
            found = jax.tree.map(lambda leaf, at=(model, example): leaf[at], of_each)
            chex.assert_trees_all_close(found, known, rtol=1e-4, atol=1e-4)


def test_one_batch_for_all_models_is_as_a_batch_for_each() -> None:
    module, x = Conv(6), jax.random.normal(jax.random.key(0), (3, 5, 5, 4))
    variables = jax.vmap(module.init, (0, None))(jax.random.split(jax.random.key(1)), x)
    shared = jax.vmap(gradient(module, x), (0, None))(variables, x)
    own = jax.vmap(gradient(module, x))(variables, jnp.stack([x, x]))
    chex.assert_trees_all_close(shared, own, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 2)])
def test_a_penalty_on_gradients_has_a_gradient(stride: int, groups: int) -> None:
    """Derivatives of derivatives, by images and by parameters, also of models side by side."""
    module = Conv(4, stride=stride, groups=groups)
    x = jax.random.normal(jax.random.key(0), (2, 3, 5, 6, 4))
    variables = jax.vmap(module.init)(jax.random.split(jax.random.key(1)), x)

    def penalty(convolve):
        def loss(params, x):
            return jnp.sin(convolve(params, x)).sum()

        def of(params, x):
            slopes = jax.grad(loss, (0, 1))(params, x)
            return sum((slope**2).sum() for slope in jax.tree.leaves(slopes))

        return jax.grad(of, (0, 1))

    ours = penalty(lambda params, x: module.apply({"params": params}, x))
    twin = jax.jit(penalty(lambda params, x: xlas(params, x, stride, groups)))
    found = jax.jit(jax.vmap(ours))(variables["params"], x)
    for i in range(2):
        known = twin(jax.tree.map(lambda leaf, i=i: leaf[i], variables["params"]), x[i])
        own = jax.tree.map(lambda leaf, i=i: leaf[i], found)
        chex.assert_trees_all_close(own, known, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", [1, 3])
def test_models_on_devices_of_their_own_under_jaxs_checks(size: int) -> None:
    """A user's own `shard_map` checks which values differ from device to device."""
    module, x = Conv(4, size=size), jax.random.normal(jax.random.key(0), (2, 3, 5, 6, 4))
    variables = jax.vmap(module.init)(jax.random.split(jax.random.key(1)), x)
    of_models = jax.vmap(gradient(module, x[0]))
    mesh, own = jax.sharding.Mesh(jax.devices()[:2], "models"), jax.sharding.PartitionSpec("models")
    spread = jax.shard_map(of_models, mesh=mesh, in_specs=own, out_specs=own)
    chex.assert_trees_all_close(
        jax.jit(spread)(variables, x), jax.jit(of_models)(variables, x), rtol=1e-5, atol=1e-5
    )


def test_images_of_another_type_than_the_kernel_are_convolved_in_the_wider_one() -> None:
    """As by Flax's own layers; only tests forbid JAX to promote types."""
    module, x = Conv(4), jnp.arange(60, dtype=jnp.bfloat16).reshape(1, 4, 5, 3)
    variables = module.init(jax.random.key(0), x.astype(jnp.float32))
    with jax.numpy_dtype_promotion("standard"):
        found = module.apply(variables, x)
    np.testing.assert_array_equal(found, module.apply(variables, x.astype(jnp.float32)))


def test_bfloat16_is_near_float32() -> None:
    module, x = Conv(32), jax.random.normal(jax.random.key(0), (4, 6, 6, 32))
    variables = module.init(jax.random.key(1), x)
    known = gradient(module, x)(variables, x)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (variables, x))
    found = gradient(module, x)(*half)
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(found)} == {"bfloat16"}
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(known), strict=True):
        off = jnp.linalg.norm(one.astype(jnp.float32) - other) / jnp.linalg.norm(other)
        assert off < 0.02


@pytest.mark.parametrize("size", [(4, 4), (5, 7)])
def test_max_pooling_is_xlas_own(size: tuple[int, int]) -> None:
    x = jax.random.normal(jax.random.key(0), (2, *size, 3))

    def native(x: jax.Array) -> jax.Array:
        return nn.max_pool(x, (2, 2), strides=(2, 2))

    def ours(x: jax.Array) -> jax.Array:
        return max_pool2x2(x)

    np.testing.assert_array_equal(ours(x), native(x))
    slope, known = (
        jax.jit(jax.grad(lambda x, pool=pool: (pool(x) ** 2).sum()))(x) for pool in (ours, native)
    )
    np.testing.assert_allclose(slope, known, rtol=1e-6)


def test_the_pooling_is_xlas_own_elsewhere_than_on_a_cpu() -> None:
    pooled = jax.jit(jax.grad(lambda x: (max_pool2x2(x) ** 2).sum())).trace(jnp.ones((1, 4, 4, 2)))
    for platform, native in (("tpu", True), ("cuda", True), ("cpu", False)):
        program = pooled.lower(lowering_platforms=(platform,)).as_text()
        assert ("select_and_scatter" in program) == native


def test_equal_maxima_share_the_gradient_on_a_cpu() -> None:
    x = jnp.asarray([[1.0, 1.0, 0.0, 3.0], [1.0, 1.0, 3.0, 2.0]])[None, :, :, None]
    slope = jax.grad(lambda x: (5 * max_pool2x2(x)).sum())(x)[0, :, :, 0]
    known = 5 * np.asarray([[0.25, 0.25, 0.0, 0.5], [0.25, 0.25, 0.5, 0.0]])
    np.testing.assert_allclose(slope, known, rtol=1e-6)


@pytest.mark.parametrize(
    ("conv", "message"),
    [
        (Conv(4, size=2), "size must be odd, so that a pixel is its centre, got 2"),
        (Conv(4, groups=3), "groups must divide the 4 channels that come in and the 4 that go out"),
        (Conv(4, stride=0), "stride must be an integer of at least 1, got 0"),
    ],
)
def test_a_convolution_that_cannot_be_is_refused(conv: Conv, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        conv.init(jax.random.key(0), jnp.ones((2, 5, 5, 4)))
