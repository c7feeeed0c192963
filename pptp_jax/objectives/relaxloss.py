"""RelaxLoss: a defence that holds the training loss at a target instead of driving it to zero."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.validation import fraction, not_negative


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RelaxLoss(Objective):
    """Gradient ascent or posterior flattening below the target loss, as the official code does it.

    In even epochs the loss is |L − α|, with L the batch's mean cross-entropy. In odd epochs it is L
    while L > α, else the mean of (1 − correct) · CE(soft, p) − CE(label, p), where the soft label
    has p(label), at most `upper`, on the label and the rest spread evenly over the other classes.
    As in the official code the gradient also passes through the soft label.

    Attributes:
        alpha: the target of the mean training loss, in nats.
        upper: the most that the soft label puts on the label.

    References:
        Chen, Yu and Fritz, "RelaxLoss: Defending Membership Inference Attacks without Losing
        Utility", ICLR 2022, https://arxiv.org/abs/2207.05801

    Examples:
        >>> loss = RelaxLoss(alpha=1.0)
        >>> print(loss(jnp.zeros((1, 2)), jnp.array([0])))
        0.30685282
    """

    name: ClassVar[str] = "relaxloss"
    alpha: float | Float[Array, ""]
    upper: float | Float[Array, ""] = 1.0

    def __post_init__(self) -> None:
        not_negative(alpha=self.alpha)
        fraction(upper=self.upper)

    @property
    def strength(self) -> float:
        """The target loss α: the higher, the more privacy."""
        return float(self.alpha)

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context = PLAIN,
    ) -> Float[Array, ""]:
        """The loss of one batch."""
        classes = logits.shape[-1]
        log_p = jax.nn.log_softmax(logits)
        hard = jax.nn.one_hot(labels, classes, dtype=logits.dtype)
        losses = -(hard * log_p).sum(-1)
        mean = losses.mean()

        p_label = jnp.minimum(jnp.exp(-losses), self.upper)[:, None]
        soft = hard * p_label + (1 - hard) * (1 - p_label) / (classes - 1)
        wrong = (logits.argmax(-1) != labels).astype(logits.dtype)
        flattened = (wrong * optax.losses.softmax_cross_entropy(logits, soft) - losses).mean()

        odd = jnp.where(mean > self.alpha, mean, flattened)
        return jnp.where(context.epoch % 2 == 0, jnp.abs(mean - self.alpha), odd)
