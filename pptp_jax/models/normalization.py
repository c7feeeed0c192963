"""Normalisation over a batch, or over each example alone for private training."""

import flax.linen as nn
from jaxtyping import Array, Float

from pptp_jax.models.convolution import Conv

NORMS = ("batch", "group")


def normalize(
    x: Float[Array, "batch height width channels"], norm: str, *, train: bool, name: str
) -> Float[Array, "batch height width channels"]:
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
        layer = nn.BatchNorm(not train, momentum=0.9, epsilon=1e-5, name=name)
    else:
        layer = nn.GroupNorm(groups(x.shape[-1]), epsilon=1e-5, use_fast_variance=False, name=name)
    return layer(x)


def groups(channels: int) -> int:
    """The number of groups for a number of channels.

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
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch _ _ _"]:
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
