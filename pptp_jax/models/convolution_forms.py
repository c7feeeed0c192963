"""Two forms of a convolution: XLA's own, and a product with patches."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "batch _ _ _"]
Kernel = Float[Array, "size size _ _"]
Bilinear = Callable[[Array, Array], Array]

LAYOUT = ("NHWC", "HWIO", "NHWC")


class Geometry(NamedTuple):
    """The shapes of a convolution, but for the number of images.

    Attributes:
        stride: the step in both directions.
        groups: into how many groups inputs and outputs are divided.
        image: (height, width, channels) of the images.
        kernel: (size, size, channels in a group, features).
    """

    stride: int
    groups: int
    image: tuple[int, ...]
    kernel: tuple[int, ...]


class Products(NamedTuple):
    """A convolution and its derivatives.

    Attributes:
        value: of images and a kernel, the convolved images.
        of_images: of the gradient of these and the kernel, the gradient of the images.
        of_kernel: of the images and the gradient of the convolved ones, that of the kernel.
    """

    value: Bilinear
    of_images: Bilinear
    of_kernel: Bilinear


def derived(form: Bilinear, of: Geometry) -> Products:
    """A form of the convolution, and its derivatives as JAX derives them.

    Args:
        form: the convolved images, of images and a kernel.
        of: their shapes.
    """

    def of_images(slope: Array, kernel: Array) -> Array:
        like = _like(slope, (slope.shape[0], *of.image))
        return jax.linear_transpose(lambda x: form(x, kernel), like)(slope)[0]

    def of_kernel(x: Array, slope: Array) -> Array:
        like = _like(slope, of.kernel)
        return jax.linear_transpose(lambda kernel: form(x, kernel), like)(slope)[0]

    return Products(form, of_images, of_kernel)


def _like(x: Array, shape: tuple[int, ...]) -> Any:
    """The type of an array, in another shape: within `jax.shard_map` that is more than a dtype."""
    return jax.eval_shape(lambda x: jnp.broadcast_to(x.sum(), shape), x)


def native_products(of: Geometry) -> Products:
    """XLA's convolution and its derivatives."""
    return derived(partial(native, stride=of.stride, groups=of.groups), of)


def native(x: Images, kernel: Kernel, *, stride: int, groups: int) -> Images:
    """XLA's convolution, padded by half of the kernel on each side."""
    around = kernel.shape[0] // 2
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(around, around)] * 2,
        dimension_numbers=LAYOUT,
        feature_group_count=groups,
    )


def by_patches(x: Images, kernel: Kernel, *, stride: int, groups: int) -> Images:
    """The same as a product of matrices, that of the patches which the kernel sees and its own."""
    size, _, inputs, features = kernel.shape
    around, (height, width) = size // 2, x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (around, around), (around, around), (0, 0)))
    seen = [
        padded[:, i : i + height : stride, j : j + width : stride]
        for i in range(size)
        for j in range(size)
    ]
    patches = jnp.stack(seen, axis=-2)
    if groups == 1:
        rows = patches.reshape(-1, size * size * inputs)
        out = rows @ kernel.reshape(-1, features)
    else:
        rows = patches.reshape(-1, size * size, groups, inputs)
        weights = kernel.reshape(size * size, inputs, groups, -1)
        out = jnp.einsum("npgi,pigf->ngf", rows, weights)
    return out.reshape(*patches.shape[:3], features)
