"""The confidence penalty: cross-entropy that rewards answers of high entropy."""

from dataclasses import dataclass
from typing import ClassVar

import optax
from jaxtyping import Array, Float, Int

from pptp_jax.objectives.entropy import entropies
from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.pytree import pytree
from pptp_jax.validation import not_negative


@pytree
@dataclass(frozen=True, kw_only=True)
class ConfidencePenalty(Objective):
    """The mean of CE − w · H(p).

    Attributes:
        weight: the weight w of the entropy.

    References:
        Pereyra, Tucker, Chorowski, Kaiser and Hinton, "Regularizing Neural Networks by Penalizing
        Confident Output Distributions", 2017, https://arxiv.org/abs/1701.06548

        The default weight is that of RelaxLoss's published code, where this is a baseline.

    Examples:
        >>> import jax.numpy as jnp
        >>> print(ConfidencePenalty(weight=1.0)(jnp.zeros((1, 2)), jnp.array([0])))
        0.0
    """

    name: ClassVar[str] = "confidence_penalty"
    weight: float | Float[Array, ""] = 0.1

    def __post_init__(self) -> None:
        not_negative(weight=self.weight)

    @property
    def strength(self) -> float:
        """The weight w: the higher, the less confident the network becomes of its members."""
        return float(self.weight)

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context = PLAIN,
    ) -> Float[Array, ""]:
        """The loss of one batch; the same in every epoch."""
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
        return (losses - self.weight * entropies(logits)).mean()
