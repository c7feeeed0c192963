"""Convolution of images (batch, height, width, channels): XLA's own, with a CPU's derivatives."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
from flax.linen.dtypes import promote_dtype
from jaxtyping import Array, Float

from pptp_jax.models.convolution_forms import Geometry, Images, Kernel, native_products
from pptp_jax.models.convolution_on_cpu import fast_products
from pptp_jax.validation import Refused, at_least


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
        >>> import jax.numpy as jnp
        >>> images = jnp.ones((2, 8, 8, 3))
        >>> out, _ = Conv(16, stride=2).init_with_output(jax.random.key(0), images)
        >>> out.shape
        (2, 4, 4, 16)
    """

    features: int
    size: int = 3
    stride: int = 1
    groups: int = 1
    use_bias: bool = True
    kernel_init: Callable[..., Array] = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Images) -> Float[Array, "batch _ _ features"]:
        """Convolves a batch of images."""
        at_least(1, size=self.size, stride=self.stride, groups=self.groups)
        if self.size % 2 == 0:
            raise Refused(f"size must be odd, so that a pixel is its centre, got {self.size}")
        channels = x.shape[-1]
        if channels % self.groups or self.features % self.groups:
            raise Refused(
                f"groups must divide the {channels} channels that come in and the {self.features} "
                f"that go out, got {self.groups}"
            )
        shape = (self.size, self.size, channels // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = None
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias)
        out = convolve(self.stride, self.groups, x, kernel)
        return out if bias is None else out + bias[None, None, None]


def convolve(stride: int, groups: int, x: Images, kernel: Kernel) -> Images:
    """Images convolved with an odd kernel, half of which is padded on each side.

    Examples:
        >>> import jax.numpy as jnp
        >>> convolve(2, 1, jnp.ones((1, 5, 5, 1)), jnp.ones((3, 3, 1, 1)))[0, :, :, 0].tolist()
        [[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]
    """
    return _value(Geometry(stride, groups, x.shape[1:], kernel.shape), x, kernel)


# Each product has the two others as its derivatives, so there are derivatives of any order. JAX can
# derive none of them: the products for a CPU have `vmap` rules of their own.


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _value(of: Geometry, x: Images, kernel: Kernel) -> Images:
    plain, on_cpu = native_products(of), fast_products(of)
    return jax.lax.platform_dependent(x, kernel, cpu=on_cpu.value, default=plain.value)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _of_images(of: Geometry, slope: Images, kernel: Kernel) -> Images:
    plain, on_cpu = native_products(of), fast_products(of)
    return jax.lax.platform_dependent(slope, kernel, cpu=on_cpu.of_images, default=plain.of_images)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _of_kernel(of: Geometry, x: Images, slope: Images) -> Kernel:
    plain, on_cpu = native_products(of), fast_products(of)
    return jax.lax.platform_dependent(x, slope, cpu=on_cpu.of_kernel, default=plain.of_kernel)


def _with_derivatives(product: Any, by_first: Any, by_second: Any) -> None:
    """Gives a product its derivatives, of its two factors and the gradient of what it makes."""

    def forward(of: Geometry, a: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
        return product(of, a, b), (a, b)

    def backward(of: Geometry, factors: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
        a, b = factors
        return by_first(of, a, b, slope), by_second(of, a, b, slope)

    product.defvjp(forward, backward)


_with_derivatives(
    _value,
    lambda of, x, kernel, slope: _of_images(of, slope, kernel),
    lambda of, x, kernel, slope: _of_kernel(of, x, slope),
)
_with_derivatives(
    _of_images,
    lambda of, slope, kernel, x: _value(of, x, kernel),
    lambda of, slope, kernel, x: _of_kernel(of, x, slope),
)
_with_derivatives(
    _of_kernel,
    lambda of, x, slope, kernel: _of_images(of, slope, kernel),
    lambda of, x, slope, kernel: _value(of, x, kernel),
)
