"""ResNet-9, the residual network of fast training on CIFAR."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.models.normalization import NORMS, NormedConv
from pptp_jax.models.pooling import max_pool2x2
from pptp_jax.models.rematerialization import call
from pptp_jax.models.tied_dropout import Shares, TiedChannels, one_dropout
from pptp_jax.validation import Refused, at_least, one_of

_STAGES = ("stage1", "stage2", "stage3")
_SMALLEST = 2 ** len(_STAGES)  # each stage halves height and width
_LOGIT_SCALE = 0.125


class _Stage(nn.Module):
    features: int
    residual: bool
    norm: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch _ _ _"]:
        def layer(x: Array, name: str) -> Array:
            return nn.relu(NormedConv(self.features, self.norm, name=name)(x, train=train))

        x = max_pool2x2(layer(x, "conv"))
        return x + layer(layer(x, "conv1"), "conv2") if self.residual else x


class FastResNet(nn.Module):
    """A stem, three stages that pool, and a dense layer without bias on the largest of each map.

    Attributes:
        width: the channels of the stem; the stages have two, four and eight times as many.
        num_classes: the number of outputs.
        norm: `batch` or `group`.
        remat: whether stages are computed again for the backward pass.
        dropout: the share of the last stage's maps that is dropped in training.
        tied: how the last stage's maps are divided for example-tied dropout; None without.
    """

    width: int
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
        height, width = x.shape[1:3]
        if min(height, width) < _SMALLEST:
            raise Refused(
                f"resnet9 needs images of at least {_SMALLEST}×{_SMALLEST}, got {height}×{width}"
            )
        stem = NormedConv(self.width, self.norm, name="stem")
        x = nn.relu(stem(x, train=learns(train, "stem")))
        for i, name in enumerate(_STAGES, start=1):
            stage = _Stage(2**i * self.width, i != 2, self.norm, name=name)
            x = call(stage, x, train=learns(train, name), recomputed=self.remat)
        while min(x.shape[1:3]) > 1:
            x = max_pool2x2(x)
        x = jnp.mean(x, axis=(1, 2))  # of one pixel; of a row, where an image is no square
        # To drop a map is to drop its largest value.
        x = nn.Dropout(self.dropout, deterministic=not learns(train, _STAGES[-1]))(x)
        if self.tied is not None:
            x = self.tied.on(x, rows if learns(train, _STAGES[-1]) else None)
        # Scaled before the layer, so that the features of the block `head` are the logits.
        return nn.Dense(self.num_classes, use_bias=False, name="head")(_LOGIT_SCALE * x)


def resnet9(
    num_classes: int = 10,
    width: int = 64,
    norm: str = "batch",
    remat: bool = False,
    dropout: float = 0.0,
    tied_dropout: Shares | None = None,
    initialization: str | None = None,
) -> Model:
    """ResNet-9: eight 3×3 convolutions with a norm, two of them pairs with a shortcut.

    A stem of 64 channels; stages of 128, 256 and 512 channels, each one convolution and 2×2
    max-pooling, the first and the last with a residual pair behind it; max-pooling to one pixel; a
    dense layer without bias, whose outputs are divided by eight. No convolution has a bias. With 10
    classes and three channels it has 6,573,120 parameters, of which `stage3` has 90 %.

    The layers are published; the initial values (He normal) and the momentum of batch norm are
    those of our other networks.

    Args:
        num_classes: the number of outputs.
        width: the channels of the stem; 32 gives a quarter of the weights.
        norm: `batch`, or `group` for private training.
        remat: whether each stage is computed again for the backward pass, for less memory and up to
            a third more time.
        dropout: the share of the maps of `stage3` that is dropped in training, for each example
            by itself, before the last max-pooling; the others are scaled up.
        tied_dropout: the share of the maps of `stage3` that are always on, and the share of the
            others that each training example owns: example-tied dropout, before the last
            max-pooling. What an example owns is on for it in training, all else of the others is
            off, and at test time they all are; see `models.tied_dropout`. None drops nothing by
            example.
        initialization: the variance of normal initial kernels: `lecun`, `he`, `xavier` or `ntk`
            (see `weight_variance`); None is He's with tails cut off.

    Returns:
        A model for inputs (batch, height, width, channels) of at least 8×8, with the blocks `stem`,
        `stage1` to `stage3` and `head`.

    Raises:
        ValueError: if there are fewer than two classes, the width is below one, the norm or the
            initialization is unknown, the dropout is no fraction, both kinds of it are given, or
            the shares leave no map; from the model, if the images are too small.

    References:
        Page, "How to Train Your ResNet", 2018, https://myrtle.ai/learn/how-to-train-your-resnet
        (the network of its fourth part); Tompson et al., "Efficient Object Localization Using
        Convolutional Networks", 2015, https://arxiv.org/abs/1411.4280 (dropout of maps); Maini et
        al., "Can Neural Network Memorization Be Localized?", ICML 2023,
        https://arxiv.org/abs/2307.09542 (example-tied dropout)

    Examples:
        >>> [block.name for block in resnet9(num_classes=10).blocks]
        ['stem', 'stage1', 'stage2', 'stage3', 'head']
    """
    at_least(2, num_classes=num_classes)
    at_least(1, width=width)
    one_of(NORMS, norm=norm)
    tied = one_dropout(8 * width, dropout, tied_dropout)
    config = {
        "name": "resnet9",
        "num_classes": num_classes,
        "width": width,
        "norm": norm,
        "remat": remat,
        "dropout": dropout,
        "tied_dropout": tied_dropout,
    }
    module = FastResNet(width, num_classes, norm, remat, dropout, tied)
    return from_linen(
        module,
        ["stem", *_STAGES, "head"],
        config,
        sees_rows=tied is not None,
        initialization=initialization,
    )
