"""Generator and discriminator of a GAN as convolutional networks, after DCGAN."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.models.convolution import Conv
from pptp_jax.models.gan_perceptrons import LEAK
from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model
from pptp_jax.models.normalization import normalize
from pptp_jax.tasks.adversarial_outputs import Drawn, Shown
from pptp_jax.validation import Refused, at_least, several


def _names(channels: Sequence[int]) -> list[str]:
    return ["stem", *(f"stage{i}" for i in range(1, len(channels))), "head"]


class _Upward(nn.Module):
    """Twice the height and width by repeating pixels, then a convolution."""

    features: int
    size: tuple[int, int]
    norm: bool

    @nn.compact
    def __call__(self, x: Float[Array, "batch _ _ _"]) -> Float[Array, "batch _ _ _"]:
        height, width = self.size
        x = x.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
        x = Conv(self.features, name="conv")(x)
        return nn.relu(normalize(x, "group", train=False, name="norm")) if self.norm else x


class _Start(nn.Module):
    """A small image of noise and a label."""

    features: int
    size: tuple[int, int]
    num_classes: int

    @nn.compact
    def __call__(self, drawn: Drawn) -> Float[Array, "batch _ _ _"]:
        x = jnp.concatenate([drawn.noise, jax.nn.one_hot(drawn.labels, self.num_classes)], axis=1)
        height, width = self.size
        x = nn.Dense(height * width * self.features, name="dense")(x)
        x = x.reshape(-1, height, width, self.features)
        return nn.relu(normalize(x, "group", train=False, name="norm"))


class _Generator(nn.Module):
    channels: tuple[int, ...]
    shape: tuple[int, ...]
    num_classes: int

    @nn.compact
    def __call__(self, drawn: Drawn, *, train: Mode) -> Float[Array, "batch _ _ _"]:
        height, width, colours = self.shape
        sizes = [(height, width)]
        for _ in self.channels:
            sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
        names, (start, *rest) = _names(self.channels), sizes[::-1]
        x = _Start(self.channels[0], start, self.num_classes, name=names[0])(drawn)
        for name, features, size in zip(
            names[1:], (*self.channels[1:], colours), rest, strict=True
        ):
            x = _Upward(features, size, norm=name != "head", name=name)(x)
        return jnp.tanh(x)


class _Judge(nn.Module):
    """A score of features, part of which depends on the label."""

    num_classes: int

    @nn.compact
    def __call__(self, x: Float[Array, "batch _"], labels: Array) -> Float[Array, " batch"]:
        of_all = nn.Dense(1, name="dense")(x)[:, 0]
        own = nn.Embed(self.num_classes, x.shape[1], name="classes")(labels)
        return of_all + (own * x).sum(axis=1)


class _Discriminator(nn.Module):
    channels: tuple[int, ...]
    num_classes: int

    @nn.compact
    def __call__(self, shown: Shown, *, train: Mode) -> Float[Array, " batch"]:
        x, names = shown.inputs, _names(self.channels)
        for name, features in zip(names, self.channels, strict=False):
            x = nn.leaky_relu(Conv(features, stride=2, name=name)(x), LEAK)
        return _Judge(self.num_classes, name="head")(x.reshape(len(x), -1), shown.labels)


def generator_cnn(channels: Sequence[int], shape: Sequence[int], num_classes: int = 10) -> Model:
    """A generator of images for `gan`: each block behind the first doubles height and width.

    Group norm takes the place of DCGAN's batch norm, and nearest-neighbour upsampling with a
    convolution that of its transposed convolutions, which leave a checkerboard.

    Args:
        channels: the widths of the images within, the smallest image first.
        shape: height, width and colours of an image.
        num_classes: the number of classes.

    Returns:
        A model of `Drawn` with the blocks `stem`, `stage1` ..., `head`.

    Raises:
        ValueError: if a width or a size is below 1, or the shape is not one of images.

    References:
        Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional
        Generative Adversarial Networks", ICLR 2016, https://arxiv.org/abs/1511.06434
        Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts", Distill, 2016,
        https://doi.org/10.23915/distill.00003

    Examples:
        >>> [block.name for block in generator_cnn([64, 32], (14, 14, 1)).blocks]
        ['stem', 'stage1', 'head']
    """
    _check(channels, num_classes)
    several(shape=shape)
    if len(shape) != 3:
        raise Refused(f"shape must be height, width and colours, got {tuple(shape)}")
    at_least(1, **{f"shape[{i}]": size for i, size in enumerate(shape)})
    config = {
        "name": "generator_cnn",
        "channels": list(channels),
        "shape": list(shape),
        "num_classes": num_classes,
    }
    return from_linen(
        _Generator(tuple(channels), tuple(shape), num_classes), _names(channels), config
    )


def discriminator_cnn(channels: Sequence[int], num_classes: int = 10) -> Model:
    """A discriminator of images for `gan`: convolutions with stride 2, then a projection.

    No norm, so that no example's score depends on the others in its batch.

    Args:
        channels: the widths of the convolutions, at least one.
        num_classes: the number of classes.

    Returns:
        A model of `Shown` with the blocks `stem`, `stage1` ..., `head`.

    Raises:
        ValueError: if a width is below 1.

    References:
        Miyato and Koyama, "cGANs with Projection Discriminator", ICLR 2018,
        https://arxiv.org/abs/1802.05637

    Examples:
        >>> [block.name for block in discriminator_cnn([32, 64]).blocks]
        ['stem', 'stage1', 'head']
    """
    _check(channels, num_classes)
    config = {
        "name": "discriminator_cnn",
        "channels": list(channels),
        "num_classes": num_classes,
    }
    module = _Discriminator(tuple(channels), num_classes)
    return from_linen(module, _names(channels), config)


def _check(channels: Sequence[int], num_classes: int) -> None:
    several(channels=channels)
    at_least(1, convolutions=len(channels), num_classes=num_classes)
    at_least(1, **{f"channels[{i}]": width for i, width in enumerate(channels)})
