"""Convolution as a matrix product of patches.

Under `vmap` over models a native convolution becomes a grouped one, and inside `scan` on a CPU it
leaves the fast path; both are slower by up to orders of magnitude. A product of patches becomes
a batched matrix product and stays fast in both.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Conv(nn.Module):
    """A convolution that keeps height and width, or divides them by its stride and rounds up.

    The parameters are those of `flax.linen.Conv`: `kernel` (size, size, in, out) and `bias` (out,).

    Attributes:
        features: the output channels.
        size: the height and width of the kernel, 1 or 3; a kernel of 3 pads each side with a zero.
        stride: the step in both directions.
        use_bias: whether a bias is added.
        kernel_init: draws the kernel.
    """

    features: int
    size: int = 3
    stride: int = 1
    use_bias: bool = True
    kernel_init: Callable[..., Array] = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch _ _ _"]:
        """Convolves a batch of images."""
        shape = (self.size, self.size, x.shape[-1], self.features)
        products = _convolve(x, self.param("kernel", self.kernel_init, shape), self.stride)
        if not self.use_bias:
            return products
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return products + bias[None, None, None]


def _convolve(
    x: Float[Array, "batch height width channels"],
    kernel: Float[Array, "size size channels features"],
    stride: int,
) -> Float[Array, "batch _ _ features"]:
    batch, height, width, channels = x.shape
    size = len(kernel)
    around = size // 2
    padded = jnp.pad(x, ((0, 0), (around, around), (around, around), (0, 0)))

    def shifted(i: int, j: int) -> Array:
        end = (batch, i + height, j + width, channels)
        return jax.lax.slice(padded, (0, i, j, 0), end, (1, stride, stride, 1))

    shifts = [shifted(i, j) for i in range(size) for j in range(size)]
    return jnp.concatenate(shifts, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])


def max_pool2x2(
    x: Float[Array, "batch height width channels"],
) -> Float[Array, "batch _ _ channels"]:
    """The maximum of each 2×2 square; an odd last row or column is dropped.

    A reshape and a maximum: the gradient of XLA's own window maximum is slow on CPUs. Equal maxima
    share the gradient.
    """
    batch, height, width, channels = x.shape
    height, width = height // 2, width // 2
    squares = x[:, : 2 * height, : 2 * width].reshape(batch, height, 2, width, 2, channels)
    return squares.max(axis=(2, 4))
