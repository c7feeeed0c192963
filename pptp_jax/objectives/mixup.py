"""Mixup: cross-entropy on mixtures of examples and of their labels."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.pytree import pytree
from pptp_jax.tasks import Batch
from pptp_jax.validation import positive


@pytree
@dataclass(frozen=True, kw_only=True)
class Mixup(Objective):
    """The mean cross-entropy to mixed one-hot labels, on inputs that are mixed alike.

    Every step mixes its batch with itself in a random order: λ x + (1 − λ) x' with the label
    λ y + (1 − λ) y', and one λ ~ Beta(α, α) for the batch, as in the published code. Augmentation
    comes before. With a teacher, its answers are mixed in place of the labels.

    Attributes:
        alpha: α; at 1, λ is uniform. Towards 0 it becomes plain cross-entropy.
        settings: the default of the published code, for the data and the network of its example.

    References:
        Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
        https://arxiv.org/abs/1710.09412; https://github.com/facebookresearch/mixup-cifar10

    Examples:
        >>> mixture = Context(teacher=jnp.array([[0.25, 0.75]]))
        >>> print(Mixup(alpha=0.4)(jnp.zeros((1, 2)), jnp.array([0]), mixture))
        0.6931472
    """

    name: ClassVar[str] = "mixup"
    settings: ClassVar = {"cifar10/resnet18": {"alpha": 1.0}}
    alpha: float | Float[Array, ""]

    def __post_init__(self) -> None:
        positive(alpha=self.alpha)

    @property
    def strength(self) -> float:
        """The parameter α: the higher, the more even the mixtures."""
        return float(self.alpha)

    def mix(self, key: Key[Array, ""], batch: Batch, outputs: Any) -> Batch:
        """The batch mixed with itself in a random order."""
        return mixed(key, batch, outputs, alpha=self.alpha)

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context = PLAIN,
    ) -> Float[Array, ""]:
        """The loss of one batch that `mix` has mixed; the same in every epoch.

        Raises:
            ValueError: if `context.teacher` is missing.
        """
        soft = context.needed("teacher", self.name)
        return optax.losses.softmax_cross_entropy(logits, soft).mean()


def mixed(
    key: Key[Array, ""],
    batch: Batch,
    outputs: Any,
    *,
    alpha: float | Float[Array, ""],
    plain: int = 0,
) -> Batch:
    """A batch of which all but the first examples are mixed with one another.

    Args:
        key: the order and the share are drawn from it.
        batch: the examples; what is mixed besides the inputs is what the teacher says, or without
            one the one-hot labels.
        outputs: the shapes of what the network makes of one example.
        alpha: the share of an example itself is drawn from Beta(alpha, alpha), once for the batch.
        plain: how many of the first examples stay as they are.

    Examples:
        >>> batch = Batch(jnp.eye(3), jnp.arange(3))
        >>> mixture = mixed(jax.random.key(0), batch, jnp.zeros((1, 3)), alpha=1.0, plain=2)
        >>> print(mixture.teacher[0], bool((mixture.inputs == mixture.teacher).all()))
        [1. 0. 0.] True
    """
    soft = batch.teacher
    if soft is None:
        soft = jax.nn.one_hot(batch.targets, outputs.shape[-1])
    order_key, share_key = jax.random.split(key)
    order = plain + jax.random.permutation(order_key, batch.size - plain)
    a = jnp.asarray(alpha, soft.dtype)
    share = jax.random.beta(share_key, a, a, dtype=soft.dtype)

    def mixture(values: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        weight = share.astype(values.dtype)
        own = weight * values[plain:] + (1 - weight) * values[order]
        return jnp.concatenate([values[:plain], own])

    return batch._replace(inputs=mixture(batch.inputs), teacher=mixture(soft))
