"""Generator and discriminator of a GAN as multi-layer perceptrons with labels as inputs."""

from collections.abc import Sequence
from math import prod

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.tasks.adversarial_outputs import Drawn, Shown
from pptp_jax.validation import at_least, fraction, several

# The slope of leaky ReLU below 0, as in DCGAN.
LEAK = 0.2


def _names(hidden: Sequence[int]) -> list[str]:
    return ["stem", *(f"stage{i}" for i in range(1, len(hidden))), "head"]


class _Generator(nn.Module):
    hidden: tuple[int, ...]
    shape: tuple[int, ...]
    num_classes: int

    @nn.compact
    def __call__(self, drawn: Drawn, *, train: Mode) -> Float[Array, "batch ..."]:
        names = _names(self.hidden)
        x = jnp.concatenate([drawn.noise, jax.nn.one_hot(drawn.labels, self.num_classes)], axis=1)
        for name, width in zip(names, self.hidden, strict=False):
            x = nn.relu(nn.Dense(width, name=name)(x))
        return jnp.tanh(nn.Dense(prod(self.shape), name=names[-1])(x)).reshape(-1, *self.shape)


class _Discriminator(nn.Module):
    hidden: tuple[int, ...]
    num_classes: int
    dropout: float

    @nn.compact
    def __call__(self, shown: Shown, *, train: Mode) -> Float[Array, " batch"]:
        names = _names(self.hidden)
        x = shown.inputs.reshape(len(shown.labels), -1)
        x = jnp.concatenate([x, jax.nn.one_hot(shown.labels, self.num_classes)], axis=1)
        for name, width in zip(names, self.hidden, strict=False):
            x = nn.leaky_relu(nn.Dense(width, name=name)(x), LEAK)
            x = nn.Dropout(self.dropout, deterministic=not learns(train, name))(x)
        return nn.Dense(1, name=names[-1])(x)[:, 0]


def generator_mlp(hidden: Sequence[int], shape: Sequence[int], num_classes: int = 10) -> Model:
    """A generator for `gan`: layers with ReLU, then tanh.

    Args:
        hidden: the widths of the hidden layers, at least one.
        shape: that of an example.
        num_classes: the number of classes.

    Returns:
        A model of `Drawn` with one block a layer: `stem`, `stage1` ..., `head`.

    Raises:
        ValueError: if a width or a size is below 1.

    Examples:
        >>> [block.name for block in generator_mlp([64, 64], (8, 8, 1)).blocks]
        ['stem', 'stage1', 'head']
    """
    _check(hidden, num_classes)
    several(shape=shape)
    at_least(1, **{f"shape[{i}]": size for i, size in enumerate(shape)})
    config = {
        "name": "generator_mlp",
        "hidden": list(hidden),
        "shape": list(shape),
        "num_classes": num_classes,
    }
    module = _Generator(tuple(hidden), tuple(shape), num_classes)
    return from_linen(module, _names(hidden), config)


def discriminator_mlp(hidden: Sequence[int], num_classes: int = 10, dropout: float = 0.0) -> Model:
    """A discriminator for `gan`: layers with leaky ReLU on an example and its label.

    Args:
        hidden: the widths of the hidden layers, at least one.
        num_classes: the number of classes.
        dropout: the share of each hidden layer's outputs that is dropped in training.

    Returns:
        A model of `Shown` with one block a layer: `stem`, `stage1` ..., `head`.

    Raises:
        ValueError: if a width is below 1 or the dropout is no fraction.

    Examples:
        >>> [block.name for block in discriminator_mlp([64]).blocks]
        ['stem', 'head']
    """
    _check(hidden, num_classes)
    fraction(dropout=dropout)
    config = {
        "name": "discriminator_mlp",
        "hidden": list(hidden),
        "num_classes": num_classes,
        "dropout": dropout,
    }
    module = _Discriminator(tuple(hidden), num_classes, dropout)
    return from_linen(module, _names(hidden), config)


def _check(hidden: Sequence[int], num_classes: int) -> None:
    several(hidden=hidden)
    at_least(1, hidden_layers=len(hidden), num_classes=num_classes)
    at_least(1, **{f"hidden[{i}]": width for i, width in enumerate(hidden)})
