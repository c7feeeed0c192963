"""Mixup, and a distance between the answers to members and to reference examples."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from pptp_jax.objectives.mixup import mixed
from pptp_jax.objectives.objective import PLAIN, Context, Objective
from pptp_jax.pytree import pytree
from pptp_jax.tasks import Batch
from pptp_jax.validation import Refused, not_negative, positive


@pytree
@dataclass(frozen=True, kw_only=True)
class MixupMMD(Objective):
    """Cross-entropy on mixed members plus w · MMD² between answers to members and non-members.

    Mixup draws one λ ~ Beta(a, a) a batch and gives λ x + (1 − λ) x' and the same mixture of the
    one-hot labels, x' being the batch in a random order. MMD² is the biased estimate, mean k(p, p')
    + mean k(r, r') − 2 mean k(p, r), between the softmax outputs p of members and r of reference
    examples, with k(u, v) = exp(−‖u − v‖² / (2 σ²)). The gradient does not pass through r.

    The published code makes two passes in an epoch: one over mixed members for the cross-entropy,
    then one over members as they are for the MMD. Here a step does both at once on halves of a
    batch: its last half is mixed and learned from, its first half is left as it is and compared. So
    an epoch learns from half of the members. Further deviations: reference examples are drawn at
    random, while the published code goes through the members class by class and draws as many
    references of each class; and the MMD is used in every step, while there it is left out in
    epochs that begin with a gap of accuracy below 3 points and in the last one.

    Attributes:
        mixup_alpha: a; at 1, λ is uniform.
        weight: the weight w of MMD².
        bandwidth: σ; the published code has 1.
        settings: from the published code; the weight is that of its only script, which runs the
            MMD without mixup, and `mixup_alpha` its default.

    References:
        Li, Li and Ribeiro, "Membership Inference Attacks and Defenses in Classification Models",
        CODASPY 2021, https://arxiv.org/abs/2002.12062;
        https://github.com/colaalex111/MMD-mixup-Defense

        Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
        https://arxiv.org/abs/1710.09412

    Examples:
        >>> from pptp_jax.objectives import Reference
        >>> logits, labels = jnp.zeros((2, 2)), jnp.array([0, 1])
        >>> context = Context(teacher=jnp.eye(2), reference=Reference(logits, labels))
        >>> print(MixupMMD(weight=3.0)(logits, labels, context))
        0.6931472
    """

    name: ClassVar[str] = "mixup_mmd"
    needs_reference: ClassVar[bool] = True
    settings: ClassVar = {"cifar100/alexnet": {"mixup_alpha": 1.0, "weight": 3.0}}
    mixup_alpha: float | Float[Array, ""] = 1.0
    weight: float | Float[Array, ""]
    bandwidth: float | Float[Array, ""] = 1.0

    def __post_init__(self) -> None:
        positive(mixup_alpha=self.mixup_alpha, bandwidth=self.bandwidth)
        not_negative(weight=self.weight)

    @property
    def strength(self) -> float:
        """The weight w: the higher, the more alike the answers to members and non-members."""
        return float(self.weight)

    def mix(
        self,
        key: Key[Array, ""],
        batch: Batch,
        outputs: Any,
    ) -> Batch:
        """The last half of the batch mixed with itself in a random order, the first half as it is.

        Raises:
            ValueError: if there are fewer than two examples.
        """
        return mixed(key, batch, outputs, alpha=self.mixup_alpha, plain=_plain(batch.size))

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        context: Context = PLAIN,
    ) -> Float[Array, ""]:
        """The loss of one batch that `mix` has mixed; the same in every epoch.

        Raises:
            ValueError: if `context.teacher` or `context.reference` is missing, or there are fewer
                than two examples.
        """
        half = _plain(len(logits))
        soft = context.needed("teacher", self.name)
        reference = context.needed("reference", self.name)
        learned = optax.losses.softmax_cross_entropy(logits[half:], soft[half:]).mean()
        members = jax.nn.softmax(logits[:half])
        others = jax.lax.stop_gradient(jax.nn.softmax(reference.outputs))
        return learned + self.weight * squared_mmd(members, others, self.bandwidth)


def squared_mmd(
    u: Float[Array, "n dims"], v: Float[Array, "m dims"], bandwidth: float | Float[Array, ""]
) -> Float[Array, ""]:
    """The biased estimate of MMD² between two samples, with one Gaussian kernel.

    Args:
        u: one sample.
        v: the other.
        bandwidth: σ of exp(−‖u − v‖² / (2 σ²)).

    Examples:
        >>> print(squared_mmd(jnp.zeros((3, 1)), jnp.ones((2, 1)), 1.0).round(4))
        0.7869
    """

    def kernel(a: Float[Array, "n dims"], b: Float[Array, "m dims"]) -> Float[Array, "n m"]:
        distances = ((a[:, None] - b[None, :]) ** 2).sum(-1)
        return jnp.exp(-distances / (2 * bandwidth**2))

    return kernel(u, u).mean() + kernel(v, v).mean() - 2 * kernel(u, v).mean()


def _plain(batch: int) -> int:
    if batch < 2:
        raise Refused(f"mixup_mmd halves a batch: it needs at least 2 examples, got {batch}")
    return batch // 2
