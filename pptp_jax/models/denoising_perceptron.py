"""A perceptron that predicts the noise in a small image, given timestep and class."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.tasks.denoiser import Noisy
from pptp_jax.validation import at_least, fraction, several

# The longest wave of the timesteps' embedding, in timesteps.
_LONGEST = 1000.0


class Embedding(nn.Module):
    """One vector for an image's timestep and class: sines of the timestep, and a vector a class.

    Attributes:
        width: the size of the vector.
        num_classes: how many classes there are.
    """

    width: int
    num_classes: int

    @nn.compact
    def __call__(self, x: Noisy) -> Float[Array, "batch width"]:
        """The vectors of some noisy images."""
        waves = nn.Dense(self.width, name="time")(waves_of(x.timesteps, self.width))
        classes = nn.Embed(self.num_classes, self.width, name="class")(x.labels)
        return nn.Dense(self.width, name="both")(nn.silu(waves + classes))


def waves_of(timesteps: Int[Array, " batch"], width: int) -> Float[Array, "batch _"]:
    """Sines and cosines of timesteps, of wavelengths from 2π to 2π · 1,000.

    Args:
        timesteps: integers.
        width: how many sines and cosines, rounded down to an even number.

    Examples:
        >>> print(waves_of(jnp.array([0]), 4))
        [[0. 0. 1. 1.]]
    """
    half = width // 2
    rates = jnp.exp(-math.log(_LONGEST) * jnp.arange(half, dtype=jnp.float32) / max(half - 1, 1))
    angles = timesteps.astype(jnp.float32)[:, None] * rates[None]
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)


class _Layer(nn.Module):
    width: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch _"], embedding: Float[Array, "batch _"]
    ) -> Float[Array, "batch width"]:
        y = nn.Dense(self.width, name="dense")(x) + nn.Dense(self.width, name="shift")(embedding)
        y = nn.silu(y)
        return x + y if x.shape == y.shape else y


class _DenoisingMLP(nn.Module):
    widths: tuple[int, ...]
    num_classes: int
    embedding: int
    dropout: float

    @nn.compact
    def __call__(self, x: Noisy, *, train: Mode) -> Float[Array, "batch ..."]:
        inside = Embedding(self.embedding, self.num_classes, name="embedding")(x)
        y = x.inputs.reshape(len(x.inputs), -1)
        for name, width in zip(_names(len(self.widths)), self.widths, strict=True):
            y = _Layer(width, name=name)(y, nn.silu(inside))
            y = nn.Dropout(self.dropout, deterministic=not learns(train, name))(y)
        numbers = math.prod(x.inputs.shape[1:])
        # It begins by saying that there is no noise.
        zeros = nn.initializers.zeros
        return nn.Dense(numbers, kernel_init=zeros, name="head")(y).reshape(x.inputs.shape)


def _names(depth: int) -> list[str]:
    return ["stem", *(f"stage{i}" for i in range(1, depth))]


def denoising_mlp(
    hidden: Sequence[int], num_classes: int, embedding: int = 64, dropout: float = 0.0
) -> Model:
    """A multi-layer perceptron for `ddpm`, whose layers see the timestep and the class.

    Layers of equal width are residual.

    Args:
        hidden: the widths of the hidden layers, at least one.
        num_classes: the number of classes.
        embedding: the size of the vector for timestep and class.
        dropout: the share of each hidden layer's outputs that is dropped in training.

    Returns:
        A network of `Noisy` inputs with the blocks `embedding`, one a hidden layer (`stem`,
        `stage1` ...) and `head`, and the parts `down`, `middle` and `up`: the first third of the
        hidden layers with the embedding, the rest, and the head with the last third.

    Raises:
        ValueError: if a number is out of range.

    Examples:
        >>> [block.name for block in denoising_mlp([64, 64, 64], num_classes=10).blocks]
        ['embedding', 'stem', 'stage1', 'stage2', 'head']
    """
    several(hidden=hidden)
    at_least(1, hidden_layers=len(hidden), **{f"hidden[{i}]": w for i, w in enumerate(hidden)})
    at_least(1, num_classes=num_classes)
    at_least(2, embedding=embedding)
    fraction(dropout=dropout)
    names = _names(len(hidden))
    third = len(names) // 3
    down, up = ["embedding", *names[:third]], [*names[len(names) - third :], "head"]
    parts = {"down": down, "middle": names[third : len(names) - third], "up": up}
    config = {
        "name": "denoising_mlp",
        "hidden": list(hidden),
        "num_classes": num_classes,
        "embedding": embedding,
        "dropout": dropout,
    }
    return from_linen(
        _DenoisingMLP(tuple(hidden), num_classes, embedding, dropout),
        ["embedding", *names, "head"],
        config,
        {name: f"({'|'.join(blocks)})/.*" for name, blocks in parts.items()},
    )
