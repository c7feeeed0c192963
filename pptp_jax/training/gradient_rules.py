"""The gradient rules of a phase: plain, perturbed by region, or DP-SGD."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pptp_jax.pytree import pytree
from pptp_jax.training.batches import plain_numbers
from pptp_jax.validation import Refused, at_least, fraction, given, not_negative, positive

Number = float | Float[Array, ""]


@pytree
@dataclass(frozen=True, kw_only=True)
class Plain:
    """The gradients as they are.

    Examples:
        >>> Plain()
        Plain()
    """


@pytree
@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """Changes to the gradient of one region before the optimiser, in this order.

    Noise on a region alone gives **no ε for the model**.

    Attributes:
        max_norm: the norm that the region's gradient is clipped to; None clips nothing.
        stddev: the standard deviation of Gaussian noise; None adds none.
        rate: the share of weights whose gradient is dropped in a step; None drops none.
        scale: what the region's updates are multiplied by, behind the optimiser; None leaves them.

    Raises:
        ValueError: if nothing is requested, or a number is out of range.

    Examples:
        >>> Perturbation(max_norm=1.0, stddev=0.1).rate is None
        True
    """

    max_norm: Number | None = None
    stddev: Number | None = None
    rate: Number | None = None
    scale: Number | None = None

    def __post_init__(self) -> None:
        if all(value is None for value in vars(self).values()):
            raise Refused("a perturbation needs at least one of max_norm, stddev, rate and scale")
        positive(**given(max_norm=self.max_norm))
        not_negative(**given(stddev=self.stddev, scale=self.scale))
        fraction(**given(rate=self.rate))


@pytree
@dataclass(frozen=True)
class Perturbed:
    """The gradients of some regions, perturbed.

    Attributes:
        regions: what is done to which region.

    Raises:
        ValueError: if there is no region.

    Examples:
        >>> list(Perturbed({"protect": Perturbation(scale=0.1)}).regions)
        ['protect']
    """

    regions: Mapping[str, Perturbation]

    def __post_init__(self) -> None:
        if isinstance(self.regions, Mapping) and not self.regions:
            raise Refused("Perturbed needs a perturbation for at least one region, got none")


@pytree
@dataclass(frozen=True, kw_only=True)
class Private:
    """DP-SGD: each example's gradient clipped, Gaussian noise on their sum.

    With `weights` each example's gradient g becomes (w_b · g_b) over the blocks b, is clipped to C
    over all blocks together, summed, noised and divided as ever. The clip comes last, so the
    sensitivity is C and **ε is that without weights**, as long as the weights come from elsewhere
    than the members: no ε covers how they were chosen.

    Attributes:
        noise_multiplier: σ, the noise's standard deviation over `max_norm`.
        max_norm: C, the norm that each example's gradient is clipped to.
        microbatch_size: the examples whose gradients are in memory at a time; None takes the batch.
        weights: w by region, above 0; a region without one has 1. None weights nothing.
        relative_norms: what each member may keep, over `max_norm`, by its place among the members,
            such as an array (members,); None is 1 for all. A member's own noise multiplier is σ
            over its number. **Norms that were chosen by looking at an example's values are not
            private.**

    Raises:
        ValueError: if a number is out of range, or `weights` or `relative_norms` has none.

    References:
        Abadi et al., "Deep Learning with Differential Privacy", CCS 2016,
        https://arxiv.org/abs/1607.00133

        Meng et al., "Mitigating Membership Inference in Intermediate Representations via Layer-wise
        MIA-risk-aware DP-SGD", 2026, https://arxiv.org/abs/2602.22611: its abstract reweights each
        layer's contribution to the globally clipped gradient by the layer's risk. The formula is
        our reading.

    Examples:
        >>> Private(noise_multiplier=1.0).max_norm
        1.0
        >>> Private(noise_multiplier=1.0, weights={"stage3": 0.0})
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: the weight of stage3 must be a finite number above 0, got 0.0
    """

    noise_multiplier: Number
    max_norm: Number = 1.0
    microbatch_size: int | None = jax.tree.static(default=None)
    weights: Mapping[str, Number] | None = None
    relative_norms: tuple[float, ...] | None = jax.tree.static(default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "relative_norms", plain_numbers(self.relative_norms))
        if self.relative_norms is not None:
            if not isinstance(self.relative_norms, tuple) or not self.relative_norms:
                raise Refused("relative_norms must be one number for each member (members,)")
            not_negative(relative_norms=np.array(self.relative_norms))
        not_negative(noise_multiplier=self.noise_multiplier)
        positive(max_norm=self.max_norm)
        if self.weights is not None and not self.weights:
            raise Refused("Private needs a weight for at least one region, got none: leave it None")
        if isinstance(self.weights, Mapping):
            positive(**{f"the weight of {name}": own for name, own in self.weights.items()})
        at_least(1, **given(microbatch_size=self.microbatch_size))

    def norms(self, members: int) -> Float[Array, " members"] | None:
        """The clipping norm of each member, relative to `max_norm`; None where all are alike.

        Args:
            members: how many there are.

        Raises:
            ValueError: if `relative_norms` has not one number for each.

        Examples:
            >>> print(Private(noise_multiplier=1.0, relative_norms=[0.5, 2.0]).norms(2))
            [0.5 2. ]
        """
        if self.relative_norms is None:
            return None
        if len(self.relative_norms) != members:
            raise Refused(
                f"Private has {len(self.relative_norms)} relative_norms for {members} members: "
                "give one for each, by its place among the members"
            )
        return jnp.asarray(self.relative_norms, jnp.float32)
