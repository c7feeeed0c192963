"""A data set on the device, shared by all models of a fleet."""

from typing import NamedTuple, Self

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from pptp_jax.data import Dataset


class Arrays(NamedTuple):
    """Inputs as they are stored, labels, and the scale of the inputs.

    Attributes:
        x: the stored inputs; images stay one byte a value until a batch is drawn.
        y: the labels.
        scale: what the inputs are multiplied by before a model sees them.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> digits = Arrays.of(Digits().load())
        >>> str(digits.x.dtype), digits.inputs(slice(0, 5)).shape
        ('uint8', (5, 8, 8, 1))
    """

    x: Shaped[Array, "examples ..."]
    y: Int[Array, " examples"]
    scale: Float[Array, ""]

    @classmethod
    def of(cls, data: Dataset) -> Self:
        """The arrays of a data set, put on the default device."""
        return cls(jnp.asarray(data.x), jnp.asarray(data.y), jnp.float32(data.scale))

    def inputs(self, rows: Int[Array, "..."] | slice) -> Float[Array, "..."]:
        """The inputs of some examples as a model sees them: float32, scaled."""
        return self.x[rows].astype(jnp.float32) * self.scale
