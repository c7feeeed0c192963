"""Label smoothing: a share of the label's probability is spread over all classes."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import optax
from jaxtyping import Array, Float, Int

from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.pytree import pytree
from pptp_jax.validation import fraction


@pytree
@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(Objective):
    """The mean cross-entropy to (1 − ε) · onehot + ε / K.

    The share ε is spread over all K classes, the label among them.

    Attributes:
        smoothing: the share ε.

    References:
        Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for
        Computer Vision", CVPR 2016, https://arxiv.org/abs/1512.00567 (ε = 0.1)

    Examples:
        >>> import jax.numpy as jnp
        >>> print(LabelSmoothing(smoothing=1.0)(jnp.zeros((1, 2)), jnp.array([0])))
        0.6931472
    """

    name: ClassVar[str] = "label_smoothing"
    smoothing: float | Float[Array, ""] = 0.1

    def __post_init__(self) -> None:
        fraction(smoothing=self.smoothing)

    @property
    def strength(self) -> float:
        """The share ε: the higher, the less confident the network becomes of its members."""
        return float(self.smoothing)

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context = PLAIN,
    ) -> Float[Array, ""]:
        """The loss of one batch; the same in every epoch."""
        hard = jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
        soft = optax.smooth_labels(hard, self.smoothing)
        return optax.losses.softmax_cross_entropy(logits, soft).mean()
