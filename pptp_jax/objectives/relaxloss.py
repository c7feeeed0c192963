"""RelaxLoss: a defence that holds the training loss at a target instead of driving it to zero."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import optax
from jaxtyping import Array, Float, Int

from pptp_jax.objectives.loss_floor import flattened_labels, held_at
from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.pytree import pytree
from pptp_jax.validation import fraction, not_negative, one_of

VARIANTS = ("official", "authors")


@pytree
@dataclass(frozen=True)
class RelaxLoss(Objective):
    """Gradient ascent or posterior flattening below the target loss.

    In even epochs the loss is |L − α|, with L the batch's mean cross-entropy. In odd epochs it is L
    while L > α, else that of the flattened posterior: with soft labels that have p(label), at most
    `upper`, on the label and the rest spread evenly over the other classes,

    - `official`, as in RelaxLoss's own code: the mean of (1 − correct) · CE(soft, p) − CE(y, p);
    - `authors`, as the authors of PPTP have it in the code of an earlier paper: the mean of
      CE(soft, p), over correct examples too and with no ascent. Epochs are counted from 1 there,
      so that a phase begins with an odd one, and so they are here.

    In both the gradient also passes through the soft label.

    Attributes:
        alpha: the target of the mean training loss, in nats.
        upper: the most that the soft label puts on the label.
        variant: `official` or `authors`.
        settings: from the files of settings in RelaxLoss's own code, for the official variant.

    References:
        Chen, Yu and Fritz, "RelaxLoss: Defending Membership Inference Attacks without Losing
        Utility", ICLR 2022, https://arxiv.org/abs/2207.05801;
        https://github.com/DingfanChen/RelaxLoss

        `authors`: https://github.com/JEKimLab/UAI24_CRL, `representation/loss/relaxloss.py`

    Examples:
        >>> import jax.numpy as jnp
        >>> loss = RelaxLoss(alpha=1.0)
        >>> print(loss(jnp.zeros((1, 2)), jnp.array([0])))
        0.30685282
        >>> RelaxLoss.published("purchase100").upper
        0.3
    """

    name: ClassVar[str] = "relaxloss"
    settings: ClassVar = {
        "cifar10/resnet20": {"alpha": 1.0, "upper": 1.0},
        "cifar10/vgg11_bn": {"alpha": 0.4, "upper": 1.0},
        "cifar100/resnet20": {"alpha": 3.0, "upper": 1.0},
        "cifar100/vgg11_bn": {"alpha": 0.5, "upper": 1.0},
        "purchase100": {"alpha": 0.8, "upper": 0.3},
        "texas100": {"alpha": 2.5, "upper": 0.1},
    }
    alpha: float | Float[Array, ""]
    upper: float | Float[Array, ""] = 1.0
    variant: Literal["official", "authors"] = field(default="official", metadata={"static": True})

    def __post_init__(self) -> None:
        not_negative(alpha=self.alpha)
        fraction(upper=self.upper)
        one_of(VARIANTS, variant=self.variant)

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
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
        soft = flattened_labels(logits, labels, self.upper)
        flattened = optax.losses.softmax_cross_entropy(logits, soft)
        if self.variant == "authors":
            return held_at(self.alpha, losses.mean(), flattened.mean(), context.epoch + 1)
        wrong = (logits.argmax(-1) != labels).astype(logits.dtype)
        ascent = (wrong * flattened - losses).mean()
        return held_at(self.alpha, losses.mean(), ascent, context.epoch)
