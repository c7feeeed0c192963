"""Convolution as a matrix product of patches.

Under `vmap` over models a native convolution becomes a grouped one, and inside `scan` on a CPU it
leaves the fast path; both are slower by up to orders of magnitude. A product of patches becomes
a batched matrix product and stays fast in both.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


class Conv3x3(nn.Module):
    """A 3×3 convolution of stride 1 that keeps height and width, with a bias.

    The parameters are those of `flax.linen.Conv`: `kernel` (3, 3, in, out) and `bias` (out,).
    """

    features: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch height width _"]:
        """Convolves a batch of images."""
        height, width, channels = x.shape[1:]
        kernel = self.param(
            "kernel", nn.initializers.lecun_normal(), (3, 3, channels, self.features)
        )
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        shifts = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
        products = jnp.concatenate(shifts, axis=-1) @ kernel.reshape(-1, self.features)
        return products + bias[None, None, None]


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
