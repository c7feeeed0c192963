"""A multi-layer perceptron, the classic target of membership inference on tables."""

from collections.abc import Sequence

import flax.linen as nn
from jaxtyping import Array, Float

from pptp_jax.models.initialization import INITIALIZATIONS, weight_initializer
from pptp_jax.models.linen import from_linen
from pptp_jax.models.model import Mode, Model, learns
from pptp_jax.validation import at_least, fraction, one_of, several

ACTIVATIONS = {"relu": nn.relu, "tanh": nn.tanh}


def _names(depth: int) -> list[str]:
    return ["stem", *(f"stage{i}" for i in range(1, depth - 1)), "head"]


class _MLP(nn.Module):
    widths: tuple[int, ...]
    activation: str
    dropout: float
    initialization: str | None

    @nn.compact
    def __call__(self, x: Float[Array, "batch ..."], *, train: Mode) -> Float[Array, "batch _"]:
        x = x.reshape(x.shape[0], -1)
        *hidden, head = zip(_names(len(self.widths)), self.widths, strict=True)
        for name, width in hidden:
            x = ACTIVATIONS[self.activation](self._dense(name, x.shape[1], width)(x))
            x = nn.Dropout(self.dropout, deterministic=not learns(train, name))(x)
        return self._dense(head[0], x.shape[1], head[1], last=True)(x)

    def _dense(self, name: str, inputs: int, width: int, *, last: bool = False) -> nn.Dense:
        if self.initialization is None:
            return nn.Dense(width, name=name)
        start = weight_initializer(self.initialization, inputs, width, last=last)
        return nn.Dense(width, name=name, kernel_init=start)


def mlp(
    hidden: Sequence[int],
    num_classes: int,
    activation: str = "tanh",
    dropout: float = 0.0,
    initialization: str | None = None,
) -> Model:
    """A multi-layer perceptron on flattened inputs.

    Args:
        hidden: the widths of the hidden layers, at least one.
        num_classes: the number of outputs: of classes, or of numbers in regression.
        activation: `tanh` (the field's habit on tables) or `relu`.
        dropout: the share of each hidden layer's outputs that is dropped in training.
        initialization: the variance of normal initial weights: `lecun`, `he`, `xavier` or `ntk`
            (see `weight_variance`); None is Flax's own, LeCun's with tails cut off.

    Returns:
        A model with one block a layer: `stem`, `stage1` ..., `head`.

    Raises:
        ValueError: if a width is below 1, the activation or the initialization is unknown, or the
            dropout is no fraction.

    Examples:
        >>> [block.name for block in mlp([512, 256, 128], num_classes=30).blocks]
        ['stem', 'stage1', 'stage2', 'head']
    """
    several(hidden=hidden)
    at_least(1, hidden_layers=len(hidden), **{f"hidden[{i}]": w for i, w in enumerate(hidden)})
    at_least(1, num_classes=num_classes)
    one_of(ACTIVATIONS, activation=activation)
    fraction(dropout=dropout)
    if initialization is not None:
        one_of(INITIALIZATIONS, initialization=initialization)
    widths = (*hidden, num_classes)
    config = {
        "name": "mlp",
        "hidden": list(hidden),
        "num_classes": num_classes,
        "activation": activation,
        "dropout": dropout,
    }
    if initialization is not None:
        config["initialization"] = initialization
    return from_linen(
        _MLP(widths, activation, dropout, initialization), _names(len(widths)), config
    )
