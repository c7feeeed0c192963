"""The small networks of the attacks that learn, in plain JAX."""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

_lecun_normal = jax.nn.initializers.lecun_normal()


class Layer(NamedTuple):
    """A dense layer."""

    kernel: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]


def initial_layers(key: Key[Array, ""], widths: Sequence[int]) -> list[Layer]:
    """Initial values, those that `pptp_jax.models.mlp` has for the same key.

    Args:
        key: what they derive from.
        widths: of the inputs, of each hidden layer, and of the outputs.

    Examples:
        >>> [layer.kernel.shape for layer in initial_layers(jax.random.key(0), (5, 8, 2))]
        [(5, 8), (8, 2)]
    """
    depth = len(widths) - 1
    names = ["stem", *(f"stage{i}" for i in range(1, depth - 1)), "head"]
    return [
        Layer(_lecun_normal(_key_of(key, name), shape), jnp.zeros(shape[1]))
        for name, shape in zip(names, pairwise(widths), strict=True)
    ]


def outputs(
    layers: Sequence[Layer], features: Float[Array, "batch inputs"]
) -> Float[Array, "batch outputs"]:
    """The answers of the network, with a ReLU behind each hidden layer.

    Examples:
        >>> one = Layer(jnp.array([[1.0]]), jnp.array([-2.0]))
        >>> print(outputs([one, one], jnp.array([[1.0], [5.0]])))
        [[-2.]
         [ 1.]]
    """
    *hidden, head = layers
    for layer in hidden:
        features = jax.nn.relu(features @ layer.kernel + layer.bias[None])
    return features @ head.kernel + head.bias[None]


class Perceptron(NamedTuple):
    """A network of dense layers, for `pptp_jax.attacks.folds.fitted`.

    Attributes:
        widths: those of its hidden layers and of its outputs.
    """

    widths: tuple[int, ...]

    def begin(self, key: Key[Array, ""], shape: tuple[int, ...]) -> list[Layer]:
        """Initial values, for features of a shape."""
        [features] = shape
        return initial_layers(key, (features, *self.widths))

    def outputs(
        self, params: Sequence[Layer], features: Float[Array, "batch inputs"]
    ) -> Float[Array, "batch outputs"]:
        """The outputs of the network."""
        return outputs(params, features)


def _key_of(key: Key[Array, ""], name: str) -> Key[Array, ""]:
    # As Linen derives the key of a layer's first parameter from the layer's name.
    digest = hashlib.sha1(name.encode() + b"\x01", usedforsecurity=False).digest()
    return jax.random.fold_in(key, jnp.uint32(int.from_bytes(digest[:4], "big")))
