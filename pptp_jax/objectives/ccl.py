"""The convex-concave loss, which lets the losses of the members differ."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.pytree import pytree
from pptp_jax.validation import fraction, one_of, positive

FORMS = ("exponential", "quadratic")


@pytree
@dataclass(frozen=True, kw_only=True)
class CCL(Objective):
    """The mean of β · [α CE − (1 − α) c(p)] with a concave part of the label's probability p.

    The form `exponential` (CCEL in the published code) has c(p) = e^p, `quadratic` (CCQL) has
    c(p) = p + p² / 2, the start of its series. Cross-entropy as a convex loss draws the losses of
    all members to one value; the concave part spreads them. β only scales the loss, that is the
    learning rate in comparison with weight decay.

    Attributes:
        alpha: the share α of the convex part.
        beta: the scale β.
        form: `exponential` or `quadratic`.
        settings: from the published code: the only command of its README, whose data set and model
            are the defaults of its command line.

    References:
        Liu, Feng, Zhuang, Cao and Wei, "Mitigating Privacy Risk in Membership Inference by
        Convex-Concave Loss", ICML 2024, https://arxiv.org/abs/2402.05453;
        https://github.com/ml-stat-Sustech/ConvexConcaveLoss

    Examples:
        >>> import jax.numpy as jnp
        >>> print(CCL(alpha=0.0, beta=1.0, form="quadratic")(jnp.zeros((1, 2)), jnp.array([0])))
        -0.625
    """

    name: ClassVar[str] = "ccl"
    settings: ClassVar = {
        "cifar10/resnet18": {"alpha": 0.5, "beta": 0.05, "form": "exponential"},
    }
    alpha: float | Float[Array, ""] = 0.5
    beta: float | Float[Array, ""] = 0.05
    form: Literal["exponential", "quadratic"] = field(
        default="exponential", metadata={"static": True}
    )

    def __post_init__(self) -> None:
        fraction(alpha=self.alpha)
        positive(beta=self.beta)
        one_of(FORMS, form=self.form)

    @property
    def strength(self) -> float:
        """The share α of the convex part: unlike other strengths, the *lower*, the more privacy."""
        return float(self.alpha)

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context = PLAIN,
    ) -> Float[Array, ""]:
        """The loss of one batch; the same in every epoch."""
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
        p = jnp.exp(-losses)
        concave = jnp.exp(p) if self.form == "exponential" else p + p**2 / 2
        return self.beta * (self.alpha * losses - (1 - self.alpha) * concave).mean()
