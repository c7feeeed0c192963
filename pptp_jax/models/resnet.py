"""ResNet-18 and ResNet-8 for small images."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.models.normalization import NORMS, NormedConv
from pptp_jax.models.rematerialization import call
from pptp_jax.models.tied_dropout import Shares, TiedChannels, one_dropout
from pptp_jax.validation import at_least, one_of


class _BasicBlock(nn.Module):
    features: int
    stride: int
    norm: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch _ _ _"]:
        width, stride, norm = self.features, self.stride, self.norm
        y = nn.relu(NormedConv(width, norm, stride=stride, name="conv1")(x, train=train))
        y = NormedConv(width, norm, name="conv2")(y, train=train)
        if stride != 1 or x.shape[-1] != width:
            x = NormedConv(width, norm, size=1, stride=stride, name="shortcut")(x, train=train)
        return nn.relu(x + y)


class _Stage(nn.Module):
    features: int
    stride: int
    depth: int
    norm: str
    remat: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch _ _ _"]:
        for i in range(self.depth):
            stride = 1 if i else self.stride
            block = _BasicBlock(self.features, stride, self.norm, name=f"block{i + 1}")
            x = call(block, x, train=train, recomputed=self.remat)
        return x


class ResNet(nn.Module):
    """A residual network of basic blocks.

    Attributes:
        widths: the channels of the stages; the stem has those of the first.
        depth: the basic blocks of a stage.
        num_classes: the number of outputs.
        norm: `batch` or `group`.
        remat: whether blocks are computed again for the backward pass.
        dropout: the share of the last stage's maps that is dropped in training.
        tied: how the last stage's maps are divided for example-tied dropout; None without.
    """

    widths: tuple[int, ...]
    depth: int
    num_classes: int
    norm: str
    remat: bool = False
    dropout: float = 0.0
    tied: TiedChannels | None = None

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height width channels"],
        *,
        train: Mode,
        rows: Int[Array, " batch"] | None = None,
    ) -> Float[Array, "batch _"]:
        """The logits of a batch of images, which stand at these rows of the data."""
        stem = NormedConv(self.widths[0], self.norm, name="stem")
        x = nn.relu(stem(x, train=learns(train, "stem")))
        for i, width in enumerate(self.widths, start=1):
            stride, name = (1 if i == 1 else 2), f"stage{i}"
            stage = _Stage(width, stride, self.depth, self.norm, self.remat, name=name)
            x = stage(x, train=learns(train, name))
        # To drop a map is to drop its mean.
        drop = nn.Dropout(self.dropout, deterministic=not learns(train, name))
        x = drop(jnp.mean(x, axis=(1, 2)))
        if self.tied is not None:
            x = self.tied.on(x, rows if learns(train, name) else None)
        return nn.Dense(self.num_classes, name="head")(x)


def resnet18(
    num_classes: int = 10,
    norm: str = "batch",
    remat: bool = False,
    initialization: str | None = None,
) -> Model:
    """The ResNet-18 of CIFAR: a 3×3 stem of stride 1, no max-pooling, four stages of two blocks.

    Widths 64, 128, 256, 512; shortcuts across a change of shape are 1×1 convolutions with a norm;
    no convolution has a bias; the last maps are averaged. With 10 classes and three channels it
    has 11,173,962 parameters. Convolutions begin He normal.

    Args:
        num_classes: the number of outputs.
        norm: `batch`, or `group` for private training.
        remat: whether each basic block is computed again for the backward pass, for less memory and
            up to a third more time.
        initialization: the variance of normal initial kernels: `lecun`, `he`, `xavier` or `ntk`
            (see `weight_variance`); None is He's with tails cut off.

    Returns:
        A model for inputs (batch, height, width, channels) with the blocks `stem`, `stage1` to
        `stage4` and `head`.

    Raises:
        ValueError: if there are fewer than two classes, or the norm or the initialization is
            unknown.

    References:
        He et al., "Deep Residual Learning for Image Recognition", 2015,
        https://arxiv.org/abs/1512.03385

    Examples:
        >>> [block.name for block in resnet18(num_classes=10).blocks]
        ['stem', 'stage1', 'stage2', 'stage3', 'stage4', 'head']
    """
    module = ResNet((64, 128, 256, 512), 2, num_classes, norm, remat)
    return _model("resnet18", module, initialization)


def resnet8(
    num_classes: int = 10,
    width: int = 16,
    norm: str = "batch",
    remat: bool = False,
    dropout: float = 0.0,
    tied_dropout: Shares | None = None,
    initialization: str | None = None,
) -> Model:
    """A ResNet-8 of CIFAR: a 3×3 stem of stride 1 and three stages of one basic block.

    The smallest network of the family 6n + 2, here with the projections of ResNet-18. Widths 16,
    32, 64; shortcuts across a change of shape are 1×1 convolutions with a norm; no convolution has
    a bias; the last maps are averaged. With 10 classes and three channels it has 78,042
    parameters, of which `stage3` has 74 %. Convolutions begin He normal.

    MLPerf Tiny's ResNet-8 has the same convolutions. It also has a bias in each of them, and no
    norm in its shortcuts.

    Args:
        num_classes: the number of outputs.
        width: the channels of the stem and the first stage; each later stage has twice as many.
        norm: `batch`, or `group` for private training.
        remat: whether each basic block is computed again for the backward pass, for less memory and
            up to a third more time.
        dropout: the share of the maps of `stage3` that is dropped in training, for each example
            by itself, before the average; the others are scaled up.
        tied_dropout: the share of the maps of `stage3` that are always on, and the share of the
            others that each training example owns: example-tied dropout, before the average. What
            an example owns is on for it in training, all else of the others is off, and at test
            time they all are; see `models.tied_dropout`. None drops nothing by example.
        initialization: the variance of normal initial kernels: `lecun`, `he`, `xavier` or `ntk`
            (see `weight_variance`); None is He's with tails cut off.

    Returns:
        A model for inputs (batch, height, width, channels) with the blocks `stem`, `stage1` to
        `stage3` and `head`.

    Raises:
        ValueError: if there are fewer than two classes, the width is below one, the norm or the
            initialization is unknown, the dropout is no fraction, both kinds of it are given, or
            the shares leave no map.

    References:
        He et al., "Deep Residual Learning for Image Recognition", 2015,
        https://arxiv.org/abs/1512.03385; Banbury et al., "MLPerf Tiny Benchmark", 2021,
        https://arxiv.org/abs/2106.07597; Tompson et al., "Efficient Object Localization Using
        Convolutional Networks", 2015, https://arxiv.org/abs/1411.4280 (dropout of maps); Maini et
        al., "Can Neural Network Memorization Be Localized?", ICML 2023,
        https://arxiv.org/abs/2307.09542 (example-tied dropout)

    Examples:
        >>> [block.name for block in resnet8(num_classes=10).blocks]
        ['stem', 'stage1', 'stage2', 'stage3', 'head']
    """
    at_least(1, width=width)
    tied = one_dropout(4 * width, dropout, tied_dropout)
    widths = (width, 2 * width, 4 * width)
    module = ResNet(widths, 1, num_classes, norm, remat, dropout, tied)
    own = {"width": width, "dropout": dropout, "tied_dropout": tied_dropout}
    return _model("resnet8", module, initialization, **own)


def _model(name: str, module: ResNet, initialization: str | None, **arguments: Any) -> Model:
    """The model of a network, once its numbers are checked."""
    at_least(2, num_classes=module.num_classes)
    one_of(NORMS, norm=module.norm)
    stages = [f"stage{i}" for i in range(1, len(module.widths) + 1)]
    config = {
        "name": name,
        "num_classes": module.num_classes,
        **arguments,
        "norm": module.norm,
        "remat": module.remat,
    }
    blocks = ["stem", *stages, "head"]
    return from_linen(
        module,
        blocks,
        config,
        sees_rows=module.tied is not None,
        initialization=initialization,
    )
