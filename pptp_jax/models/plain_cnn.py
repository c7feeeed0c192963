"""A small convolutional network for images."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.models.convolution import Conv
from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.models.normalization import NORMS, NormedConv
from pptp_jax.models.pooling import max_pool2x2
from pptp_jax.validation import at_least, fraction, one_of


class _CNN(nn.Module):
    channels: tuple[int, ...]
    dense: int
    num_classes: int
    norm: str | None
    dropout: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: Mode
    ) -> Float[Array, "batch _"]:
        def drop(x: Array, name: str) -> Array:
            return nn.Dropout(self.dropout, deterministic=not learns(train, name))(x)

        for i, width in enumerate(self.channels):
            name = f"stage{i}" if i else "stem"
            if self.norm is None:
                x = Conv(width, name=name)(x)
            else:
                x = NormedConv(width, self.norm, name=name)(x, train=learns(train, name))
            # The same in either order, and a quarter of the work in this one.
            x = drop(nn.relu(max_pool2x2(x)), name)
        x = jnp.reshape(x, (len(x), -1))
        name = f"stage{len(self.channels)}"
        x = drop(nn.relu(nn.Dense(self.dense, name=name)(x)), name)
        return nn.Dense(self.num_classes, name="head")(x)


def cnn(
    channels: Sequence[int],
    dense: int,
    num_classes: int,
    norm: str | None = None,
    dropout: float = 0.0,
    initialization: str | None = None,
) -> Model:
    """3×3 convolutions with ReLU, each followed by 2×2 max-pooling, then two dense layers.

    Args:
        channels: the widths of the convolutions, at least one; each halves height and width.
        dense: the width of the hidden dense layer.
        num_classes: the number of outputs.
        norm: what follows each convolution, which then begins He normal and has no bias: `batch`,
            `group` for private training, or None.
        dropout: the share of the pooled maps and of the hidden layer that is dropped in training.
        initialization: the variance of normal initial kernels: `lecun`, `he`, `xavier` or `ntk`
            (see `weight_variance`); None is LeCun's with tails cut off, or He's before a norm.

    Returns:
        A model for inputs (batch, height, width, channels) with one block a layer: `stem` and
        `stage1` ... for the convolutions, the next stage for the dense layer, `head`.

    Raises:
        ValueError: if a width is below 1, the norm or the initialization is unknown, or the dropout
            is no fraction.

    Examples:
        >>> [block.name for block in cnn([16, 32], dense=64, num_classes=10).blocks]
        ['stem', 'stage1', 'stage2', 'head']
    """
    at_least(1, convolutions=len(channels), dense=dense)
    at_least(1, **{f"channels[{i}]": width for i, width in enumerate(channels)})
    at_least(2, num_classes=num_classes)
    fraction(dropout=dropout)
    if norm is not None:
        one_of(NORMS, norm=norm)
    stages = [f"stage{i}" for i in range(1, len(channels) + 1)]
    config = {
        "name": "cnn",
        "channels": list(channels),
        "dense": dense,
        "num_classes": num_classes,
        "norm": norm,
        "dropout": dropout,
    }
    module = _CNN(tuple(channels), dense, num_classes, norm, dropout)
    return from_linen(module, ["stem", *stages, "head"], config, initialization=initialization)
