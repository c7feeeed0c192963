"""Initial weights: normal distributions of named variances."""

from math import prod
from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array, Key

from pptp_jax.validation import one_of

INITIALIZATIONS = ("lecun", "he", "xavier", "ntk")


def weight_variance(name: str, inputs: int, outputs: int, *, last: bool = False) -> float:
    """The variance of each initial weight of a dense layer, or of a convolution.

    Args:
        name: `lecun` (1 / inputs), `he` (2 / inputs), `xavier` (2 / (inputs + outputs)) or `ntk`
            (2 / outputs, and 1 / outputs in the last layer).
        inputs: how many values go into the layer; of a convolution, into one value that comes out.
        outputs: how many come out; of a convolution, to how many one value goes.
        last: whether it is the last layer.

    Raises:
        ValueError: if the name is unknown.

    References:
        LeCun et al., "Efficient BackProp", 1998; He et al., "Delving Deep into Rectifiers", 2015,
        https://arxiv.org/abs/1502.01852; Glorot and Bengio, "Understanding the Difficulty of
        Training Deep Feedforward Neural Networks", 2010; Allen-Zhu, Li and Song, "A Convergence
        Theory for Deep Learning via Over-Parameterization", 2019, https://arxiv.org/abs/1811.03962

    Examples:
        >>> [weight_variance(name, 20, 30) for name in ("lecun", "he", "xavier")]
        [0.05, 0.1, 0.04]
    """
    one_of(INITIALIZATIONS, initialization=name)
    if name == "ntk":
        return (1.0 if last else 2.0) / outputs
    return {"lecun": 1 / inputs, "he": 2 / inputs, "xavier": 2 / (inputs + outputs)}[name]


def weight_initializer(
    name: str, inputs: int, outputs: int, *, last: bool = False
) -> nn.initializers.Initializer:
    """The normal distribution of that variance, as Flax takes it.

    Args:
        name: as for `weight_variance`, and so are the others.
        inputs: how many values go into the layer.
        outputs: how many come out.
        last: whether it is the last layer.
    """
    return nn.initializers.normal(weight_variance(name, inputs, outputs, last=last) ** 0.5)


def redrawn(params: Any, key: Key[Array, ""], name: str, last: str) -> Any:
    """Parameters whose kernels are drawn from the normal distribution of that variance.

    All others stay: biases, and the scales of norms. Behind a norm the variance of a kernel changes
    no output, but how fast the kernel turns at a given learning rate.

    Args:
        params: the parameters; a kernel is (inputs, outputs) or (height, width, inputs, outputs).
        key: what is drawn from.
        name: as for `weight_variance`.
        last: the block of the last layer.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(params)
    drawn = []
    for i, (path, leaf) in enumerate(leaves):
        names = [part.key for part in path]
        if names[-1] == "kernel":
            *window, inputs, outputs = leaf.shape
            fans = prod(window) * inputs, prod(window) * outputs
            start = weight_initializer(name, *fans, last=names[0] == last)
            leaf = start(jax.random.fold_in(key, i), leaf.shape, leaf.dtype)
        drawn.append(leaf)
    return jax.tree.unflatten(structure, drawn)
