"""A data set on the device, shared by all models of a fleet."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from pptp_jax.data.augmentation import Augmentation
from pptp_jax.data.dataset import Dataset
from pptp_jax.validation import Refused


class Arrays(NamedTuple):
    """Inputs as they are stored, targets, and how a model gets to see them.

    Attributes:
        x: the stored inputs; images stay one byte a value until a batch is drawn, and so do other
            integers that fit.
        y: the targets: labels, numbers or symbols.
        scale: what the inputs are multiplied by before a model sees them; None where they are
            symbols, and a model sees integers.
        reference: the examples that no model has as members, and defences may look at.
        augmentation: what is done to inputs in training; None for nothing.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> digits = Arrays.of(Digits().load())
        >>> str(digits.x.dtype), digits.inputs(slice(0, 5)).shape
        ('uint8', (5, 8, 8, 1))
    """

    x: Shaped[Array, "examples ..."]
    y: Shaped[Array, "examples ..."]
    scale: Float[Array, ""] | None
    reference: Int[Array, " reference"]
    augmentation: Augmentation | None = None

    @classmethod
    def of(
        cls,
        data: Dataset,
        reference: Sequence[int] | np.ndarray = (),
        augmentation: Augmentation | None = None,
    ) -> Self:
        """The arrays of a data set, put on the default device.

        Raises:
            ValueError: if the augmentation does not fit the inputs.
        """
        if augmentation is not None:
            augmentation.check(data.x.shape[1:])
        rows = jnp.asarray(np.asarray(reference, np.int32))
        y = data.y.astype(data.y.dtype.newbyteorder("="), copy=False)
        scale = jnp.float32(data.scale) if data.vocabulary is None else None
        return cls(jnp.asarray(_narrow(data.x)), jnp.asarray(y), scale, rows, augmentation)

    @property
    def examples(self) -> int:
        """How many there are."""
        return len(jax.tree.leaves(self.x)[0])

    def inputs(self, rows: Int[Array, "..."] | slice) -> Shaped[Array, "..."]:
        """The inputs of some examples as a model sees them: float32, scaled; symbols as int32."""
        if self.scale is None:
            return self.x[rows].astype(jnp.int32)
        return self.x[rows].astype(jnp.float32) * self.scale

    @property
    def bounds(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """The least and the largest number among the inputs as a model sees them.

        Raises:
            ValueError: if the inputs are symbols, of which none lies between two others.
        """
        if self.scale is None:
            raise Refused("the inputs are symbols, which cannot be moved a little")
        low, high = (end.astype(jnp.float32) * self.scale for end in (self.x.min(), self.x.max()))
        return low, high

    def batch_shape(self, size: int = 1) -> Any:
        """The shape of a batch of inputs as a model sees them."""
        return jax.eval_shape(self.inputs, jax.ShapeDtypeStruct((size,), jnp.int32))

    def targets(self, rows: Int[Array, "..."] | slice) -> Any:
        """The targets of some examples."""
        return jax.tree.map(lambda leaf: leaf[rows], self.y)

    def training_inputs(
        self, key: Key[Array, ""], rows: Int[Array, " batch"] | slice
    ) -> Shaped[Array, "batch ..."]:
        """The inputs of some examples as a step of training sees them: augmented."""
        x = self.inputs(rows)
        return x if self.augmentation is None else self.augmentation(key, x)


def _narrow(x: Shaped[np.ndarray, "examples ..."]) -> Shaped[np.ndarray, "examples ..."]:
    """Inputs in the narrowest type that holds them; a model sees another one in any case."""
    x = x.astype(x.dtype.newbyteorder("="), copy=False)
    if x.dtype.kind not in "iu" or x.dtype.itemsize == 1:
        return x
    low, high = int(x.min()), int(x.max())
    for name in ("uint8", "int8", "uint16", "int16", "int32"):
        bounds = np.iinfo(name)
        if bounds.min <= low and high <= bounds.max:
            return x.astype(name)
    return x.astype(np.float32)  # JAX would cut off what does not fit into 32 bits


def absent_rows(rows: Any) -> Any:
    """Rows of examples that only keep their places in batches, and give no gradient: −1 − row.

    It is its own inverse.

    Examples:
        >>> print(absent_rows(jnp.array([0, 5])), absent_rows(absent_rows(jnp.array([7]))))
        [-1 -6] [7]
    """
    return -1 - rows
