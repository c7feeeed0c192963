"""A small recurrent network with attention, in plain JAX."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from pptp_jax.attacks.perceptron import Layer

_glorot_uniform = jax.nn.initializers.glorot_uniform()


class LongShortTerm(NamedTuple):
    """The parameters: one dense layer of all gates, and one for the answer."""

    gates: Layer
    head: Layer


class Recurrent(NamedTuple):
    """An LSTM that looks back: its last state, and a mean of all states by their likeness to it.

    Attributes:
        width: how many numbers its state has.
        answers: how many outputs.

    References:
        Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation, 1997

    Examples:
        >>> network = Recurrent(4, 2)
        >>> params = network.begin(jax.random.key(0), (7, 3))
        >>> network.outputs(params, jnp.zeros((5, 7, 3))).shape
        (5, 2)
    """

    width: int
    answers: int

    def begin(self, key: Key[Array, ""], shape: tuple[int, ...]) -> LongShortTerm:
        """Initial values, for sequences of a shape; forget gates begin open."""
        _, features = shape
        of_gates, of_head = jax.random.split(key)
        bias = jnp.zeros(4 * self.width).at[self.width : 2 * self.width].set(1.0)
        return LongShortTerm(
            Layer(_glorot_uniform(of_gates, (features + self.width, 4 * self.width)), bias),
            Layer(
                _glorot_uniform(of_head, (2 * self.width, self.answers)), jnp.zeros(self.answers)
            ),
        )

    def outputs(
        self, params: LongShortTerm, features: Float[Array, "batch stops features"]
    ) -> Float[Array, "batch outputs"]:
        """The outputs for sequences."""
        gates, head = params
        nothing = jnp.zeros((len(features), self.width), features.dtype)

        def step(
            before: tuple[Array, Array], now: Float[Array, "batch features"]
        ) -> tuple[tuple[Array, Array], Array]:
            state, cell = before
            found = jnp.concatenate([now, state], axis=1) @ gates.kernel + gates.bias[None]
            into, kept, out, value = jnp.split(found, 4, axis=1)
            cell = jax.nn.sigmoid(kept) * cell + jax.nn.sigmoid(into) * jnp.tanh(value)
            state = jax.nn.sigmoid(out) * jnp.tanh(cell)
            return (state, cell), state

        (last, _), states = jax.lax.scan(step, (nothing, nothing), jnp.moveaxis(features, 1, 0))
        weights = jax.nn.softmax((states * last[None]).sum(axis=-1), axis=0)
        context = (weights[..., None] * states).sum(axis=0)
        return jnp.concatenate([last, context], axis=1) @ head.kernel + head.bias[None]
