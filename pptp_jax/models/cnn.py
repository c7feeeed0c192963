"""A small convolutional network for images."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.models.convolution import Conv3x3, max_pool2x2
from pptp_jax.models.model import Model, from_linen
from pptp_jax.validation import at_least


class _CNN(nn.Module):
    channels: tuple[int, ...]
    dense: int
    num_classes: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch _"]:
        for i, width in enumerate(self.channels):
            x = max_pool2x2(nn.relu(Conv3x3(width, name=f"stage{i}" if i else "stem")(x)))
        x = jnp.reshape(x, (x.shape[0], -1))
        x = nn.relu(nn.Dense(self.dense, name=f"stage{len(self.channels)}")(x))
        return nn.Dense(self.num_classes, name="head")(x)


def cnn(channels: Sequence[int], dense: int, num_classes: int) -> Model:
    """3×3 convolutions with ReLU, each followed by 2×2 max-pooling, then two dense layers.

    Args:
        channels: the widths of the convolutions, at least one; each halves height and width.
        dense: the width of the hidden dense layer.
        num_classes: the number of outputs.

    Returns:
        A model for inputs (batch, height, width, channels) with one block a layer: `stem` and
        `stage1` ... for the convolutions, the next stage for the dense layer, `head`.

    Raises:
        ValueError: if a width is below 1.

    Examples:
        >>> [block.name for block in cnn([16, 32], dense=64, num_classes=10).blocks]
        ['stem', 'stage1', 'stage2', 'head']
    """
    at_least(1, convolutions=len(channels), dense=dense)
    at_least(1, **{f"channels[{i}]": width for i, width in enumerate(channels)})
    at_least(2, num_classes=num_classes)
    stages = [f"stage{i}" for i in range(1, len(channels) + 1)]
    config = {
        "name": "cnn",
        "channels": list(channels),
        "dense": dense,
        "num_classes": num_classes,
    }
    module = _CNN(tuple(channels), dense, num_classes)
    return from_linen(module, ["stem", *stages, "head"], config)
