"""Cross-entropy, the utility objective."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import optax
from jaxtyping import Array, Float, Int


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CrossEntropy:
    """The mean over the batch of −log p(label).

    Examples:
        >>> import jax.numpy as jnp
        >>> print(CrossEntropy()(jnp.zeros((1, 2)), jnp.array([0]), epoch=0))
        0.6931472
    """

    name: ClassVar[str] = "cross_entropy"
    strength: ClassVar[None] = None

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        *,
        epoch: Int[Array, ""] | int,
    ) -> Float[Array, ""]:
        """The loss of one batch; the same in every epoch."""
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
