"""Convolution as a matrix product of patches, on images whose batch comes last.

Under `vmap` over models a native convolution becomes a grouped one, and inside `scan` on a CPU it
leaves the fast path; both are slower by up to orders of magnitude. A product of patches becomes
a batched matrix product and stays fast in both. What is left of the time is mostly the moving of
patches. Between the first layer and the last our networks therefore keep images as (channels,
height, width, batch): a shifted image is then a few long runs of memory, patches and products need
no transposition, and pooling works on whole vectors.
"""

from collections.abc import Callable, Iterator
from functools import partial, reduce
from itertools import product
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.validation import Refused, at_least


def batch_last(
    x: Float[Array, "batch height width channels"],
) -> Float[Array, "channels height width batch"]:
    """Images as our convolutions take them.

    Examples:
        >>> batch_last(jnp.ones((2, 5, 7, 3))).shape
        (3, 5, 7, 2)
    """
    return jnp.transpose(x, (3, 1, 2, 0))


def batch_first(
    x: Float[Array, "channels height width batch"],
) -> Float[Array, "batch height width channels"]:
    """What `batch_last` takes back to images.

    Examples:
        >>> batch_first(batch_last(jnp.ones((2, 5, 7, 3)))).shape
        (2, 5, 7, 3)
    """
    return jnp.transpose(x, (3, 1, 2, 0))


def examples_first(made: Float[Array, "..."]) -> Float[Array, "batch ..."]:
    """What a block makes, of which only images have their examples last.

    Examples:
        >>> examples_first(jnp.ones((2, 9))).shape, examples_first(jnp.ones((3, 5, 7, 2))).shape
        ((2, 9), (2, 5, 7, 3))
    """
    return batch_first(made) if made.ndim == 4 else made


class Conv(nn.Module):
    """A convolution that keeps height and width, or divides them by its stride and rounds up.

    The parameters are those of `flax.linen.Conv`: `kernel` (size, size, in / groups, out) and
    `bias` (out,).

    Attributes:
        features: the output channels.
        size: the height and width of the kernel, odd; half of it is padded with zeros on each side.
        stride: the step in both directions.
        groups: into how many groups, which do not mix, inputs and outputs are divided; as many as
            there are inputs make it depthwise.
        use_bias: whether a bias is added.
        kernel_init: draws the kernel.

    Raises:
        ValueError: if the size is even, or the groups divide the channels unequally.

    Examples:
        >>> images = batch_last(jnp.ones((2, 8, 8, 3)))
        >>> out, _ = Conv(16, stride=2).init_with_output(jax.random.key(0), images)
        >>> out.shape
        (16, 4, 4, 2)
    """

    features: int
    size: int = 3
    stride: int = 1
    groups: int = 1
    use_bias: bool = True
    kernel_init: Callable[..., Array] = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(
        self, x: Float[Array, "channels height width batch"]
    ) -> Float[Array, "_ _ _ batch"]:
        """Convolves a batch of images."""
        at_least(1, size=self.size, stride=self.stride, groups=self.groups)
        if self.size % 2 == 0:
            raise Refused(f"size must be odd, so that a pixel is its centre, got {self.size}")
        if len(x) % self.groups or self.features % self.groups:
            raise Refused(
                f"groups must divide the {len(x)} channels that come in and the {self.features} "
                f"that go out, got {self.groups}"
            )
        shape = (self.size, self.size, len(x) // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        out = _convolve(x, kernel, self.stride, self.groups)
        if not self.use_bias:
            return out
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return out + bias[:, None, None, None]


def _convolve(
    x: Float[Array, "channels height width batch"],
    kernel: Float[Array, "size size inputs features"],
    stride: int,
    groups: int,
) -> Float[Array, "features _ _ batch"]:
    size, _, inputs, features = kernel.shape
    x = x.reshape(groups, inputs, *x.shape[1:])
    kernels = kernel.reshape(size * size * inputs, groups, -1)
    convolved = partial(_product, size, stride)
    if groups == 1:
        return convolved(x[0], kernels[:, 0])
    out = jax.vmap(convolved, (0, 1))(x, kernels)
    return out.reshape(features, *out.shape[2:])


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _product(
    size: int,
    stride: int,
    x: Float[Array, "channels height width batch"],
    kernel: Float[Array, "patch features"],
) -> Float[Array, "features _ _ batch"]:
    """The product of a kernel and the patches of images.

    With the derivative that JAX would find by itself a step takes up to half as long again on a
    CPU: the gradient of the kernel had the wrong axis in front, and shifts were added one by one.
    All three products are of plain matrices, none of them transposed by the product itself: so
    XLA gives them to its fast library, and a step takes three quarters of the time.
    """
    return _forward(size, stride, x, kernel)[0]


def _forward(size: int, stride: int, x: Array, kernel: Array) -> tuple[Array, Any]:
    patches = jnp.concatenate(list(_shifted(x, size, stride)))
    # Behind a barrier, for else the compiler would make the product transpose it.
    out = jax.lax.optimization_barrier(kernel.T) @ _matrix(patches)
    return out.reshape(-1, *patches.shape[1:]), (x, patches, kernel)


def _backward(size: int, stride: int, seen: Any, slope: Array) -> tuple[Array, Array]:
    x, patches, kernel = seen
    of_kernel = _matrix(patches) @ _matrix(slope).T
    of_patches = kernel @ _matrix(slope)
    parts = of_patches.reshape(size * size, *x.shape[:1], *slope.shape[1:])
    zero, edges = jnp.zeros((), x.dtype), [_edges(n, size, stride) for n in x.shape[1:3]]
    shifts = [
        jax.lax.pad(parts[i * size + j], zero, [(0, 0, 0), edges[0][i], edges[1][j], (0, 0, 0)])
        for i, j in product(range(size), repeat=2)
    ]
    return reduce(jnp.add, shifts), of_kernel


_product.defvjp(_forward, _backward)


def _matrix(images: Float[Array, "channels _ _ batch"]) -> Float[Array, "channels pixels"]:
    return images.reshape(len(images), -1)


def _shifted(
    x: Float[Array, "channels height width batch"], size: int, stride: int
) -> Iterator[Float[Array, "channels _ _ batch"]]:
    """The images as each weight of a kernel sees them."""
    channels, height, width, batch = x.shape
    around = size // 2
    padded = jnp.pad(x, ((0, 0), (around, around), (around, around), (0, 0)))
    for i, j in product(range(size), repeat=2):
        end = (channels, i + height, j + width, batch)
        yield jax.lax.slice(padded, (0, i, j, 0), end, (1, stride, stride, 1))


def _edges(pixels: int, size: int, stride: int) -> list[tuple[int, int, int]]:
    """How each shift is padded to lie where it was taken: before, behind and between pixels."""
    covered = (pixels - 1) // stride * stride + 1
    return [(i - size // 2, pixels - covered - i + size // 2, stride - 1) for i in range(size)]


@jax.custom_jvp
def _larger(x: jax.Array, y: jax.Array) -> jax.Array:
    """The larger of two, whose derivative asks the two alone.

    That of `jnp.maximum` asks which of them equals the result. A compiler that computes them anew
    for the backward pass may round otherwise: then neither does, and the gradient is lost.
    """
    return jnp.maximum(x, y)


@_larger.defjvp
def _(
    values: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    x, y = values
    dx, dy = tangents
    first = jnp.where(x == y, 0.5, jnp.where(x > y, 1.0, 0.0)).astype(dx.dtype)
    return _larger(x, y), first * dx + (1 - first) * dy


def max_pool2x2(
    x: Float[Array, "channels height width batch"],
) -> Float[Array, "channels _ _ batch"]:
    """The maximum of each 2×2 square; an odd last row or column is dropped.

    Maxima of two: the gradient of XLA's own window maximum is slow on CPUs. Two that are equal
    share the gradient.
    """
    height, width = (2 * (n // 2) for n in x.shape[1:3])
    rows = _larger(x[:, 0:height:2], x[:, 1:height:2])
    return _larger(rows[:, :, 0:width:2], rows[:, :, 1:width:2])
