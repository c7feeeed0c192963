"""VGG11 with normalisation for small images."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.models.normalization import NORMS, NormedConv
from pptp_jax.models.pooling import max_pool2x2
from pptp_jax.models.rematerialization import call
from pptp_jax.validation import at_least, one_of


class _Stage(nn.Module):
    widths: tuple[int, ...]
    norm: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch _ _ _"]:
        for i, width in enumerate(self.widths, start=1):
            conv = NormedConv(width, self.norm, use_bias=True, name=f"conv{i}")
            x = nn.relu(conv(x, train=train))
        return max_pool2x2(x)


def _names(stages: int) -> list[str]:
    return ["stem", *(f"stage{i}" for i in range(1, stages))]


class VGG(nn.Module):
    """Stages of 3×3 convolutions, each followed by 2×2 max-pooling, and one dense layer.

    Attributes:
        stages: the channels of each stage's convolutions.
        num_classes: the number of outputs.
        norm: `batch` or `group`.
        remat: whether blocks are computed again for the backward pass.
    """

    stages: tuple[tuple[int, ...], ...]
    num_classes: int
    norm: str
    remat: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: Mode
    ) -> Float[Array, "batch _"]:
        """The logits of a batch of images."""
        for name, widths in zip(_names(len(self.stages)), self.stages, strict=True):
            stage = _Stage(widths, self.norm, name=name)
            x = call(stage, x, train=learns(train, name), recomputed=self.remat)
        return nn.Dense(self.num_classes, name="head")(jnp.reshape(x, (len(x), -1)))


def vgg11_bn(num_classes: int = 10, norm: str = "batch", remat: bool = False) -> Model:
    """The VGG11 of CIFAR: eight 3×3 convolutions with norm, five poolings, one dense layer.

    Widths 64 | 128 | 256, 256 | 512, 512 | 512, 512, with 2×2 max-pooling at each bar and at the
    end, which leaves 512 features of a 32×32 image. This is the variant that is common
    for CIFAR: a single dense layer in place of ImageNet's three, and no dropout.
    Convolutions keep their bias before the norm, as published, though a batch norm takes it off
    again. With 10 classes and three channels it has 9,231,114 parameters. Convolutions begin He
    normal.

    Args:
        num_classes: the number of outputs.
        norm: `batch`, or `group` for private training.
        remat: whether each stage is computed again for the backward pass, for less memory and
            up to a third more time.

    Returns:
        A model for inputs (batch, height, width, channels) of at least 32×32, with the blocks
        `stem` (the first convolution), `stage1` to `stage4` and `head`.

    Raises:
        ValueError: if there are fewer than two classes or the norm is unknown.

    References:
        Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
        Recognition", 2014, https://arxiv.org/abs/1409.1556 (configuration A)

    Examples:
        >>> [block.name for block in vgg11_bn(num_classes=10).blocks]
        ['stem', 'stage1', 'stage2', 'stage3', 'stage4', 'head']
    """
    at_least(2, num_classes=num_classes)
    one_of(NORMS, norm=norm)
    module = VGG(((64,), (128,), (256, 256), (512, 512), (512, 512)), num_classes, norm, remat)
    config = {"name": "vgg11_bn", "num_classes": num_classes, "norm": norm, "remat": remat}
    return from_linen(module, [*_names(len(module.stages)), "head"], config)
