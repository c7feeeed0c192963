"""A small U-Net that predicts the noise in an image, given timestep and class."""

from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from pptp_jax.models.convolution import Conv
from pptp_jax.models.denoising_perceptron import Embedding
from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.models.normalization import normalize
from pptp_jax.tasks.denoiser import Noisy
from pptp_jax.validation import at_least, fraction

Maps = Float[Array, "batch height width channels"]


class _Residual(nn.Module):
    """Two convolutions with group norm, of which the embedding scales and shifts the second.

    It does so behind the norm: before it, where each channel is a group of its own, the norm would
    take away all of what the embedding adds.
    """

    features: int
    dropout: float

    @nn.compact
    def __call__(
        self, x: Maps, embedding: Float[Array, "batch _"], *, train: bool
    ) -> Float[Array, "batch height width features"]:
        y = nn.silu(normalize(x, "group", train=train, name="norm1"))
        y = Conv(self.features, name="conv1")(y)
        own = nn.Dense(2 * self.features, name="modulation")(embedding)[:, None, None]
        scale, shift = jax.numpy.split(own, 2, axis=-1)
        y = nn.silu(normalize(y, "group", train=train, name="norm2") * (1 + scale) + shift)
        y = nn.Dropout(self.dropout, deterministic=not train)(y)
        y = Conv(self.features, name="conv2")(y)
        if x.shape[-1] != self.features:
            x = Conv(self.features, 1, name="shortcut")(x)
        return x + y


class _Down(nn.Module):
    """A residual block, and a convolution that halves height and width."""

    features: int
    dropout: float

    @nn.compact
    def __call__(self, x: Maps, embedding: Any, *, train: bool) -> tuple[Any, Any]:
        x = _Residual(self.features, self.dropout, name="block")(x, embedding, train=train)
        return x, Conv(self.features, stride=2, name="halved")(x)


class _Up(nn.Module):
    """Maps enlarged to those of the way down, joined with them, and a residual block."""

    features: int
    dropout: float

    @nn.compact
    def __call__(self, x: Maps, before: Any, embedding: Any, *, train: bool) -> Any:
        x = jax.image.resize(x, (*before.shape[:3], x.shape[-1]), "nearest")
        x = Conv(self.features, name="enlarged")(x)
        x = jax.numpy.concatenate([x, before], axis=-1)
        return _Residual(self.features, self.dropout, name="block")(x, embedding, train=train)


class _Head(nn.Module):
    channels: int

    @nn.compact
    def __call__(self, x: Maps, *, train: bool) -> Float[Array, "batch height width _"]:
        x = nn.silu(normalize(x, "group", train=train, name="norm"))
        # It begins by saying that there is no noise.
        return Conv(self.channels, kernel_init=nn.initializers.zeros, name="conv")(x)


class _UNet(nn.Module):
    width: int
    depth: int
    num_classes: int
    dropout: float

    @nn.compact
    def __call__(self, x: Noisy, *, train: Mode) -> Float[Array, "batch ..."]:
        inside = nn.silu(Embedding(4 * self.width, self.num_classes, name="embedding")(x))
        y = Conv(self.width, name="stem")(x.inputs)
        before = []
        for i in range(self.depth):
            name = f"down{i + 1}"
            down = _Down(self.width * 2**i, self.dropout, name=name)
            kept, y = down(y, inside, train=learns(train, name))
            before.append(kept)
        middle = _Residual(self.width * 2**self.depth, self.dropout, name="middle")
        y = middle(y, inside, train=learns(train, "middle"))
        for i in reversed(range(self.depth)):
            name = f"up{i + 1}"
            up = _Up(self.width * 2**i, self.dropout, name=name)
            y = up(y, before[i], inside, train=learns(train, name))
        return _Head(x.inputs.shape[-1], name="head")(y, train=learns(train, "head"))


def unet(width: int = 32, depth: int = 2, num_classes: int = 10, dropout: float = 0.0) -> Model:
    """A small U-Net for `ddpm`: residual blocks with group norm, hence independent examples.

    On the way down each level has a residual block and halves height and width, of any size; on the
    way up each is joined with what the way down had at that size. The channels double with each
    level. There is no attention.

    Args:
        width: the channels at full size.
        depth: how many times height and width are halved.
        num_classes: the number of classes.
        dropout: the share of values that residual blocks drop in training.

    Returns:
        A network of `Noisy` images (batch, height, width, channels) with the blocks `embedding`,
        `stem`, `down1` ..., `middle`, ... `up1` and `head`, and the parts `down`, `middle` and
        `up`, of which the first has `embedding` and `stem` and the last has `head`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020,
        https://arxiv.org/abs/2006.11239 (with attention and more blocks a level)
        Dhariwal and Nichol, "Diffusion Models Beat GANs on Image Synthesis", NeurIPS 2021,
        https://arxiv.org/abs/2105.05233 (scale and shift behind the norm)

    Examples:
        >>> [block.name for block in unet(8, depth=1).blocks]
        ['embedding', 'stem', 'down1', 'middle', 'up1', 'head']
    """
    at_least(1, width=width, depth=depth, num_classes=num_classes)
    fraction(dropout=dropout)
    downs = [f"down{i}" for i in range(1, depth + 1)]
    ups = [f"up{i}" for i in range(depth, 0, -1)]
    config = {
        "name": "unet",
        "width": width,
        "depth": depth,
        "num_classes": num_classes,
        "dropout": dropout,
    }
    return from_linen(
        _UNet(width, depth, num_classes, dropout),
        ["embedding", "stem", *downs, "middle", *ups, "head"],
        config,
        {"down": r"(embedding|stem|down\d+)/.*", "up": r"(up\d+|head)/.*"},
    )
