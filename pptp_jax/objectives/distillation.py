"""Distillation: the network learns a teacher's answers instead of the labels."""

from dataclasses import dataclass
from typing import ClassVar

import jax
from jax.scipy.special import xlogy
from jaxtyping import Array, Float, Int

from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.pytree import pytree
from pptp_jax.validation import positive


@pytree
@dataclass(frozen=True, kw_only=True)
class Distillation(Objective):
    """T² times the mean of KL(q_T ‖ p_T), for a teacher's answers q and the network's p.

    p_T is softmax(z / T), and q_T is q^(1 / T), normalised: what the teacher's softmax would give
    at temperature T. At T = 1 the gradient is that of the cross-entropy to q. The labels are not
    looked at. Which teacher answers, and on which examples, is the recipe's: DMP distils an
    undefended network on reference data, SELENA the sub-models that never saw an example.

    Attributes:
        temperature: T. The factor T² keeps the size of the gradient as T grows.

    References:
        Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015,
        https://arxiv.org/abs/1503.02531

        Shejwalkar and Houmansadr, "Membership Privacy for Machine Learning Models Through
        Knowledge Transfer" (DMP), AAAI 2021, https://arxiv.org/abs/1906.06589

        Tang et al., "Mitigating Membership Inference Attacks by Self-Distillation Through a Novel
        Ensemble Architecture" (SELENA), USENIX Security 2022, https://arxiv.org/abs/2110.08324

    Examples:
        >>> import jax.numpy as jnp
        >>> teacher = Context(teacher=jnp.array([[1.0, 0.0]]))
        >>> print(Distillation()(jnp.zeros((1, 2)), jnp.array([0]), teacher))
        0.6931472
    """

    name: ClassVar[str] = "distillation"
    needs_teacher: ClassVar[bool] = True
    temperature: float | Float[Array, ""] = 1.0

    def __post_init__(self) -> None:
        positive(temperature=self.temperature)

    @property
    def strength(self) -> float:
        """The temperature T: the higher, the softer the teacher's answers."""
        return float(self.temperature)

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context = PLAIN,
    ) -> Float[Array, ""]:
        """The loss of one batch; the same in every epoch.

        Raises:
            ValueError: if `context.teacher` is missing.
        """
        soft = context.needed("teacher", self.name)
        powers = soft ** (1 / self.temperature)
        softened = jax.lax.stop_gradient(powers / powers.sum(-1, keepdims=True))
        log_p = jax.nn.log_softmax(logits / self.temperature)
        divergences = (xlogy(softened, softened) - softened * log_p).sum(-1)
        return self.temperature**2 * divergences.mean()
