"""Wide residual networks of depth 28 for small images."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.models.convolution import Conv
from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.models.normalization import NORMS, normalize
from pptp_jax.models.rematerialization import call
from pptp_jax.validation import at_least, fraction, one_of


def _conv(features: int, size: int, stride: int, name: str) -> Conv:
    he = nn.initializers.he_normal()
    return Conv(features, size, stride, use_bias=False, kernel_init=he, name=name)


class _WideBlock(nn.Module):
    features: int
    stride: int
    norm: str
    dropout: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch _ _ _"]:
        y = nn.relu(normalize(x, self.norm, train=train, name="norm1"))
        if x.shape[-1] != self.features or self.stride != 1:
            x = _conv(self.features, 1, self.stride, "shortcut")(y)
        y = _conv(self.features, 3, self.stride, "conv1")(y)
        y = nn.relu(normalize(y, self.norm, train=train, name="norm2"))
        y = nn.Dropout(self.dropout, deterministic=not train)(y)
        return x + _conv(self.features, 3, 1, "conv2")(y)


class _Stage(nn.Module):
    features: int
    stride: int
    depth: int
    norm: str
    dropout: float
    remat: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch _ _ _"]:
        for i in range(self.depth):
            stride, name = (1 if i else self.stride), f"block{i + 1}"
            block = _WideBlock(self.features, stride, self.norm, self.dropout, name=name)
            x = call(block, x, train=train, recomputed=self.remat)
        return x


class _Head(nn.Module):
    num_classes: int
    norm: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch _"]:
        x = nn.relu(normalize(x, self.norm, train=train, name="norm"))
        return nn.Dense(self.num_classes, name="dense")(jnp.mean(x, axis=(1, 2)))


class WideResNet(nn.Module):
    """A residual network of blocks that normalise first.

    Attributes:
        stem: the channels of the stem.
        widths: the channels of the stages.
        depth: the blocks of a stage.
        num_classes: the number of outputs.
        norm: `batch` or `group`.
        dropout: the share of values dropped between the two convolutions of a block.
        remat: whether blocks are computed again for the backward pass.
    """

    stem: int
    widths: tuple[int, ...]
    depth: int
    num_classes: int
    norm: str
    dropout: float
    remat: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: Mode
    ) -> Float[Array, "batch _"]:
        """The logits of a batch of images."""
        x = _conv(self.stem, 3, 1, "stem")(x)
        for i, width in enumerate(self.widths, start=1):
            stride, name = (1 if i == 1 else 2), f"stage{i}"
            stage = _Stage(
                width, stride, self.depth, self.norm, self.dropout, self.remat, name=name
            )
            x = stage(x, train=learns(train, name))
        return _Head(self.num_classes, self.norm, name="head")(x, train=learns(train, "head"))


def wrn28(
    widen: int,
    num_classes: int = 10,
    norm: str = "batch",
    dropout: float = 0.0,
    remat: bool = False,
    initialization: str | None = None,
) -> Model:
    """WRN-28-k: a stem of 16 channels and three stages of four blocks that normalise first.

    Widths 16k, 32k, 64k; a shortcut across a change of shape is a 1×1 convolution of the normalised
    input; no convolution has a bias; the last maps are normalised and averaged. With 10 classes and
    three channels WRN-28-2 has 1,467,610 parameters and WRN-28-10 has 36,479,194. Convolutions
    begin He normal.

    Args:
        widen: k, by how much the stages are wider than those of a plain ResNet.
        num_classes: the number of outputs.
        norm: `batch`, or `group` for private training.
        dropout: the share of values dropped between the two convolutions of a block.
        remat: whether each block is computed again for the backward pass, for less memory and
            up to a third more time.
        initialization: the variance of normal initial kernels: `lecun`, `he`, `xavier` or `ntk`
            (see `weight_variance`); None is He's with tails cut off.

    Returns:
        A model for inputs (batch, height, width, channels) with the blocks `stem`, `stage1` to
        `stage3` and `head`, which has the last norm.

    Raises:
        ValueError: if a number is out of range, or the norm or the initialization is unknown.

    References:
        Zagoruyko and Komodakis, "Wide Residual Networks", 2016, https://arxiv.org/abs/1605.07146

    Examples:
        >>> [block.name for block in wrn28(2, num_classes=10).blocks]
        ['stem', 'stage1', 'stage2', 'stage3', 'head']
    """
    at_least(1, widen=widen)
    at_least(2, num_classes=num_classes)
    one_of(NORMS, norm=norm)
    fraction(dropout=dropout)
    widths = (16 * widen, 32 * widen, 64 * widen)
    module = WideResNet(16, widths, 4, num_classes, norm, dropout, remat)
    config = {
        "name": "wrn28",
        "widen": widen,
        "num_classes": num_classes,
        "norm": norm,
        "dropout": dropout,
        "remat": remat,
    }
    blocks = ["stem", "stage1", "stage2", "stage3", "head"]
    return from_linen(module, blocks, config, initialization=initialization)
