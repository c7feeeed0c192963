"""Cross-entropy, the utility objective."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import optax
from jaxtyping import Array, Float, Int

from pptp_jax.objectives.objective import PLAIN, Context, Objective


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CrossEntropy(Objective):
    """The mean over the batch of −log p(label).

    Examples:
        >>> import jax.numpy as jnp
        >>> print(CrossEntropy()(jnp.zeros((1, 2)), jnp.array([0])))
        0.6931472
    """

    name: ClassVar[str] = "cross_entropy"

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context = PLAIN,
    ) -> Float[Array, ""]:
        """The loss of one batch; the same in every epoch."""
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
