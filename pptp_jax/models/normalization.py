"""Normalisation over a batch, or over each example alone for private training."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.models.convolution import Conv

NORMS = ("batch", "group")


def normalize(
    x: Float[Array, "channels height width batch"], norm: str, *, train: bool, name: str
) -> Float[Array, "channels height width batch"]:
    """Batch norm or group norm within a Linen module, with a scale and a bias for each channel.

    Batch norm has PyTorch's momentum of 0.1, which Flax counts as 0.9, but the running variance is
    that of the batch itself, without PyTorch's correction n/(n - 1). Group norm mixes no examples,
    as per-example gradients need. It has 16 groups, or the largest number below that divides the
    channels and leaves at least two in each. Both add 1e-5 to the variance.

    Args:
        x: what is normalised.
        norm: `batch` or `group`.
        train: whether batch norm uses and updates the statistics of the batch.
        name: the layer's name.

    References:
        De et al., "Unlocking High-Accuracy Differentially Private Image Classification through
        Scale", 2022, https://arxiv.org/abs/2204.13650 (16 groups)
    """
    layer: nn.Module
    if norm == "batch":
        layer = nn.BatchNorm(not train, axis=0, momentum=0.9, epsilon=1e-5, name=name)
    else:
        layer = GroupNorm(groups(len(x)), name=name)
    return layer(x)


class GroupNorm(nn.Module):
    """Each example's groups of channels with mean 0 and variance 1, then scaled and shifted.

    The parameters are those of `flax.linen.GroupNorm`, which wants channels last.

    Attributes:
        groups: the number of groups.
    """

    groups: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "channels height width batch"]
    ) -> Float[Array, "channels height width batch"]:
        """Normalises a batch of images."""
        scale = self.param("scale", nn.initializers.ones, (len(x),))
        bias = self.param("bias", nn.initializers.zeros, (len(x),))
        grouped = jnp.reshape(x, (self.groups, -1, *x.shape[1:]))
        # At least in float32, as Flax takes those of a batch.
        grouped = grouped.astype(jnp.promote_types(x.dtype, jnp.float32))
        normed = jax.nn.standardize(grouped, axis=(1, 2, 3), epsilon=1e-5)
        normed = jnp.reshape(normed, x.shape).astype(x.dtype)
        return normed * scale[:, None, None, None] + bias[:, None, None, None]


def groups(channels: int) -> int:
    """The number of groups for so many channels.

    Examples:
        >>> groups(64), groups(16), groups(6), groups(1)
        (16, 8, 3, 1)
    """
    most = max(1, min(16, channels // 2))
    return next(count for count in range(most, 0, -1) if channels % count == 0)


class NormedConv(nn.Module):
    """A convolution, He normal, and a norm behind it.

    Attributes:
        features: the output channels.
        norm: `batch` or `group`.
        size: the height and width of the kernel.
        stride: the step in both directions.
        use_bias: whether the convolution has a bias, which a batch norm takes off again.
    """

    features: int
    norm: str
    size: int = 3
    stride: int = 1
    use_bias: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "channels height width batch"], *, train: bool
    ) -> Float[Array, "_ _ _ batch"]:
        """Convolves and normalises a batch of images."""
        he = nn.initializers.he_normal()
        x = Conv(
            self.features,
            self.size,
            self.stride,
            use_bias=self.use_bias,
            kernel_init=he,
            name="conv",
        )(x)
        return normalize(x, self.norm, train=train, name="norm")
