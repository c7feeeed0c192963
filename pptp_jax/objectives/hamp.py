"""HAMP, the part in training: labels of high entropy, and a reward for entropy."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.scipy.special import xlog1py, xlogy
from jaxtyping import Array, Float, Int

from pptp_jax.objectives.entropy import entropies
from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.pytree import pytree
from pptp_jax.validation import fraction, not_negative

# Each round narrows the bracket a hundredfold; after these it is as narrow as float32 can tell.
ROUNDS, POINTS = 4, 101


@pytree
@dataclass(frozen=True, kw_only=True)
class HAMP(Objective):
    """KL(s ‖ p) − α · mean H(p), with soft labels s of entropy γ · log K.

    A soft label has 1 − q on the label and q / (K − 1) on each other class, with the least q whose
    entropy is at least γ · log K. As in the published code the divergence is a mean over the batch
    *and* the classes, which makes it K times smaller than a mean over the batch, while H(p) is a
    mean over the batch; this sets the scale of α and of the learning rate.

    The published code looks for q in steps of 0.01; here it is solved for, so that q is smaller by
    less than 0.01. HAMP also changes the answers at test time: see `pptp_jax.release.OrderOnly`.

    Attributes:
        gamma: the threshold γ of the soft labels' entropy, as a share of log K.
        alpha: the weight α of the answers' entropy.
        settings: from the published code, `train-all.sh` in the folder of each data set.

    References:
        Chen and Pattabiraman, "Overconfidence is a Dangerous Thing: Mitigating Membership
        Inference Attacks by Enforcing Less Confident Prediction", NDSS 2024,
        https://arxiv.org/abs/2307.01610; https://github.com/DependableSystemsLab/MIA_defense_HAMP

    Examples:
        >>> print(HAMP(gamma=0.0, alpha=0.0)(jnp.zeros((1, 2)), jnp.array([0])))
        0.3465736
        >>> HAMP.published("purchase100")
        HAMP(gamma=0.8, alpha=0.01)
    """

    name: ClassVar[str] = "hamp"
    settings: ClassVar = {
        "purchase100": {"gamma": 0.8, "alpha": 0.01},
        "texas100": {"gamma": 0.6, "alpha": 0.01},
        "cifar10": {"gamma": 0.95, "alpha": 0.001},
        "cifar100": {"gamma": 0.5, "alpha": 0.005},
        "location30": {"gamma": 0.5, "alpha": 0.001},
    }
    gamma: float | Float[Array, ""]
    alpha: float | Float[Array, ""]

    def __post_init__(self) -> None:
        fraction(gamma=self.gamma)
        not_negative(alpha=self.alpha)

    @property
    def strength(self) -> float:
        """The threshold γ: the higher, the softer the labels."""
        return float(self.gamma)

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context = PLAIN,
    ) -> Float[Array, ""]:
        """The loss of one batch; the same in every epoch."""
        classes = logits.shape[-1]
        hard = jax.nn.one_hot(labels, classes, dtype=logits.dtype)
        off = share_off_the_label(self.gamma, classes).astype(logits.dtype)
        soft = hard * (1 - off) + (1 - hard) * (off / (classes - 1))
        divergence = (xlogy(soft, soft) - soft * jax.nn.log_softmax(logits)).mean()
        return divergence - self.alpha * entropies(logits).mean()


def share_off_the_label(gamma: float | Float[Array, ""], classes: int) -> Float[Array, ""]:
    """The least q for which (1 − q, q / (K − 1), ...) has an entropy of at least γ · log K.

    The entropy grows with q from 0 to log K, so that narrowing a bracket finds it.

    Args:
        gamma: the entropy that is requested, as a share of log K.
        classes: K.

    Examples:
        >>> print(f"{share_off_the_label(0.5, classes=2):.3f}")
        0.110
    """
    # Halving in a loop would be a chain of small kernels in every training step; a few rounds of
    # many points at once are as exact.
    low, high = jnp.float32(0.0), jnp.float32(1 - 1 / classes)
    for _ in range(ROUNDS):
        q = jnp.linspace(low, high, POINTS)
        entropy = -xlog1py(1 - q, -q) - xlogy(q, q / (classes - 1))
        short = (entropy < gamma * math.log(classes)).sum()
        low, high = q[jnp.maximum(short - 1, 0)], q[jnp.minimum(short, POINTS - 1)]
    return high
