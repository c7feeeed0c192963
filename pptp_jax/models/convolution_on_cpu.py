"""A convolution and its derivatives in the forms that a CPU computes fast, in loops as well.

XLA makes three slow choices on a CPU. The derivatives that it derives leave its fast path inside a
loop: here they are convolutions of the fast kind. `vmap` over models makes a convolution a grouped
one: here the models follow one another. And of its two libraries it takes the slower one.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float

from pptp_jax.models.convolution_forms import (
    LAYOUT,
    Bilinear,
    Geometry,
    Images,
    Kernel,
    Products,
    by_patches,
    derived,
)


def fast_products(of: Geometry) -> Products:
    """A convolution and its derivatives, as a CPU computes them."""
    stride, groups, (height, width, _), (size, *_) = of
    patches = derived(partial(by_patches, stride=stride, groups=groups), of)
    if groups > 1 or size == 1:
        made = patches
    else:
        made = Products(
            partial(_value, stride=stride),
            partial(_of_images, stride=stride, height=height, width=width),
            partial(_of_kernel, stride=stride, size=size),
        )
    return Products(
        _model_by_model(made.value),
        _model_by_model(made.of_images),
        _summed_by_model(made.of_kernel, patches.of_kernel),
    )


def _value(x: Images, kernel: Kernel, *, stride: int) -> Images:
    around = kernel.shape[0] // 2
    return _convolve(x, kernel, [(around, around)] * 2, stride=stride)


def _of_images(slope: Images, kernel: Kernel, *, stride: int, height: int, width: int) -> Images:
    """The slope convolved with the kernel turned around, its channels exchanged."""
    before = kernel.shape[0] // 2
    padding = [
        (before, pixels + before - 1 - stride * (taken - 1))
        for pixels, taken in zip((height, width), slope.shape[1:3], strict=True)
    ]
    exchanged = _by_itself(lambda kernel: kernel.swapaxes(2, 3), jnp.flip(kernel, (0, 1)))
    return _convolve(slope, exchanged, padding, between_pixels=stride)


def _of_kernel(x: Images, slope: Images, *, stride: int, size: int) -> Kernel:
    """The images convolved with the slope, channels in the place of examples and vice versa."""
    before = size // 2
    padding = [
        (before, size - before - pixels + stride * (taken - 1))
        for pixels, taken in zip(x.shape[1:3], slope.shape[1:3], strict=True)
    ]
    x = _by_itself(lambda x: x.transpose(3, 1, 2, 0), x)
    slope = _by_itself(lambda slope: slope.transpose(1, 2, 0, 3), slope)
    out = _convolve(x, slope, padding, between_weights=stride)
    return out.transpose(1, 2, 0, 3)


def _convolve(
    x: Images,
    kernel: Float[Array, "_ _ _ _"],
    padding: list[tuple[int, int]],
    *,
    stride: int = 1,
    between_pixels: int = 1,
    between_weights: int = 1,
) -> Images:
    """A convolution, dilated in images and in kernel, by the faster of XLA's two libraries.

    That is the one that knows dilated images; it takes half to all of the time of the other. So
    rows that are not dilated get zeros between them, which a stride of 2 skips again. Convolutions
    of few channels are given to it anyway, and are faster as they are.
    """
    few = max(kernel.shape[2:]) < 32
    rows = 1 if few or between_pixels > 1 else 2
    (above, below), sides = padding
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (rows * stride, stride),
        [(rows * above, rows * below), sides],
        lhs_dilation=(rows * between_pixels, between_pixels),
        rhs_dilation=(rows * between_weights, between_weights),
        dimension_numbers=LAYOUT,
    )


def _by_itself(transposed: Callable[[Array], Array], x: Float[Array, "..."]) -> Array:
    """A transposition that XLA fuses with nothing.

    By itself it is a fast copy. Fused with what makes `x` it is a slow loop that computes `x` again
    as well, and fused with the convolution it makes that a slow one. Nothing is fused across the
    edge of a conditional whose outcome the compiler does not know.
    """
    barrier = jax.lax.optimization_barrier

    def behind_another_barrier(x: Array) -> Array:
        # Two equal branches would be taken for one.
        return barrier(transposed(x))

    return barrier(jax.lax.cond(barrier(True), transposed, behind_another_barrier, x))


def _model_by_model(product: Bilinear) -> Bilinear:
    """A product of images and a kernel, which `vmap` computes model by model.

    Where all share the kernel, as with the gradient of each example, their images are one batch.
    """
    mapped = custom_vmap(product)

    @mapped.def_vmap
    def _(count: int, batched: list[bool], images: Array, kernel: Array) -> tuple[Array, bool]:
        if batched[1]:
            return _in_turn(mapped, batched, images, kernel), True
        out = mapped(images.reshape(-1, *images.shape[2:]), kernel)
        return out.reshape(count, -1, *out.shape[1:]), True

    return mapped


def _summed_by_model(product: Bilinear, at_once: Bilinear) -> Bilinear:
    """A product that sums over a batch, which `vmap` computes model by model.

    Batches of a single example, as with the gradient of each, are multiplied together by `at_once`.
    """
    mapped = custom_vmap(product)

    @mapped.def_vmap
    def _(count: int, batched: list[bool], images: Array, slopes: Array) -> tuple[Array, bool]:
        if images.shape[1 if batched[0] else 0] == 1:
            axes = [0 if each else None for each in batched]
            return jax.vmap(at_once, axes)(images, slopes), True
        return _in_turn(mapped, batched, images, slopes), True

    return mapped


def _in_turn(product: Bilinear, batched: list[bool], *args: Array) -> Array:
    both = list(zip(batched, args, strict=True))

    def of_one(own: list[Array]) -> Array:
        taken = iter(own)
        return product(*(next(taken) if each else shared for each, shared in both))

    return jax.lax.map(of_one, [stacked for each, stacked in both if each])
