"""A phase: some epochs of training under one set of rules, as plain frozen data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import jax
from jaxtyping import Array, Float, Int

from pptp_jax.objectives import Objective
from pptp_jax.validation import (
    Refused,
    at_least,
    fraction,
    given,
    not_negative,
    one_of,
    positive,
    several,
)
from pptp_jax.validation.field_types import check_fields

Number = float | Float[Array, ""]

# The label of the one objective that all parameters share.
WHOLE = "whole"


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """What is done to the gradient of one region before the optimiser sees it, in this order.

    Noise on a region alone gives **no ε for the model**.

    Attributes:
        max_norm: the norm that the region's gradient is clipped to; None clips nothing.
        stddev: the standard deviation of Gaussian noise; None adds none.
        rate: the share of weights whose gradient is dropped in a step; None drops none.
        scale: what the region's updates are multiplied by, behind the optimiser; None leaves them.

    Raises:
        ValueError: if nothing is asked for, or a number is out of range.

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


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Private:
    """DP-SGD: each example's gradient clipped, Gaussian noise on their sum.

    Attributes:
        noise_multiplier: σ, the noise's standard deviation over `max_norm`.
        max_norm: C, the norm that each example's gradient is clipped to.
        microbatch_size: the examples whose gradients are in memory at a time; None takes the batch.

    References:
        Abadi et al., "Deep Learning with Differential Privacy", CCS 2016,
        https://arxiv.org/abs/1607.00133

    Examples:
        >>> Private(noise_multiplier=1.0).max_norm
        1.0
    """

    noise_multiplier: Number
    max_norm: Number = 1.0
    microbatch_size: int | None = jax.tree.static(default=None)

    def __post_init__(self) -> None:
        not_negative(noise_multiplier=self.noise_multiplier)
        positive(max_norm=self.max_norm)
        at_least(1, **given(microbatch_size=self.microbatch_size))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Vulnerable:
    """The weights that CWRF rewinds to their initial values and freezes, found model by model.

    A weight's vulnerability is |g · w| summed over batches, with g the gradient of
    (1 − λ) · CE(members) + λ · KL(f(x_ref; θ) ‖ f(x_ref; θ_0)); the highest of the whole network
    are chosen.

    Attributes:
        share: the share r of all weights that is chosen.
        reference_weight: λ; 0 needs no reference examples.
        batches: over how many batches the vulnerability is summed.

    References:
        The ICLR 2026 paper "CWRF", https://arxiv.org/abs/2603.13186. λ and the number of batches
        are ours.

    Examples:
        >>> Vulnerable(share=0.1).batches
        10
    """

    share: Number
    reference_weight: Number = 0.5
    batches: int = jax.tree.static(default=10)

    def __post_init__(self) -> None:
        fraction(share=self.share, reference_weight=self.reference_weight)
        at_least(1, batches=self.batches)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Sub-models that each train on a part of the members: SELENA's teachers.

    Attributes:
        models: K, how many sub-models there are.
        left_out: L, how many of them never see a given member, and answer for it.

    References:
        Tang et al., "Mitigating Membership Inference Attacks by Self-Distillation Through a Novel
        Ensemble Architecture", USENIX Security 2022, https://arxiv.org/abs/2110.08324

    Examples:
        >>> Ensemble(models=25, left_out=10).left_out
        10
    """

    models: int = jax.tree.static(default=25)
    left_out: int = jax.tree.static(default=10)

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(2, models=self.models)
        at_least(1, left_out=self.left_out)
        if self.left_out >= self.models:
            raise Refused(
                f"each member must be seen by some of the {self.models} sub-models, so left_out "
                f"must be below that; got {self.left_out}"
            )

    def part(self, members: int) -> int:
        """How many of so many members a sub-model trains on."""
        return members // self.models * (self.models - self.left_out)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Phase:
    """Some epochs of training under one set of rules, from a fresh optimiser state.

    A pytree: the number of epochs and all strengths are leaves, so that phases that differ in
    them alone share one compiled program.

    Attributes:
        epochs: how many passes over the examples, which the learning-rate schedule spans.
        objectives: one objective for all parameters, or one a region.
        anew: whether the network starts from its initial values again. What it had learned before
            can then be its own teacher: an objective that needs soft labels gets the answers of the
            network, or of the ensemble, that the phase before it has left.
        rewound: the regions that are taken back to their initial values as the phase begins.
        frozen: the regions that do not move; their batch norm is in eval mode.
        vulnerable: the weights that are rewound and do not move; None if there are none.
        perturbed: what is done to the gradients of regions.
        private: DP-SGD on all that is trained, which is clipped as one; None without.
        examples: what is trained on: the model's `members`, or the `reference` examples, which no
            model has as members.
        ensemble: trains sub-models on parts of the members, each from initial values of its own, in
            place of the network; None without.

    Raises:
        ValueError: if two of the rules contradict each other.

    Examples:
        >>> from pptp_jax.objectives import TaskLoss
        >>> Phase(epochs=8, objectives=TaskLoss(), frozen=("protect",)).frozen
        ('protect',)
    """

    epochs: int | Int[Array, ""]
    objectives: Objective | Mapping[str, Objective]
    anew: bool = jax.tree.static(default=False)
    rewound: tuple[str, ...] = jax.tree.static(default=())
    frozen: tuple[str, ...] = jax.tree.static(default=())
    vulnerable: Vulnerable | None = None
    perturbed: Mapping[str, Perturbation] = field(default_factory=dict)
    private: Private | None = None
    examples: Literal["members", "reference"] = jax.tree.static(default="members")
    ensemble: Ensemble | None = None

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs)
        one_of(("members", "reference"), examples=self.examples)
        several(rewound=self.rewound, frozen=self.frozen)
        for part in self.by_region.values():
            if not isinstance(part, Objective):
                found = type(part).__name__
                raise Refused(f"an objective must be one of pptp_jax.objectives, got {found}")
        by_region = isinstance(self.objectives, Mapping)
        if by_region and self.mixes:
            raise Refused("an objective that mixes inputs must be the only one of its phase")
        for label in self.perturbed:
            if label in self.frozen:
                raise Refused(f"the region {label} cannot be both perturbed and frozen")
        learns = any(type(part).learn is not Objective.learn for part in self.by_region.values())
        if self.private is not None:
            _refuse(
                "a private phase sees members through their clipped gradients alone",
                {
                    "an objective a region": by_region,
                    "an objective that needs reference examples": self.needs_reference,
                    "an objective that mixes inputs": self.mixes,
                    "an objective that learns from the members itself": learns,
                    "a perturbation": bool(self.perturbed),
                    "vulnerable weights": self.vulnerable is not None,
                    "an ensemble": self.ensemble is not None,
                },
            )
        if self.ensemble is not None:
            _refuse(
                "an ensemble's sub-models start anew, on members, without a teacher",
                {
                    "an objective that needs one": self.needs_teacher,
                    "reference examples to train on": self.examples == "reference",
                    "rewound regions": bool(self.rewound),
                    "vulnerable weights": self.vulnerable is not None,
                },
            )

    @property
    def by_region(self) -> dict[str, Objective]:
        """The objectives by region; one for all stands under `WHOLE`."""
        if isinstance(self.objectives, Mapping):
            return dict(self.objectives)
        return {WHOLE: self.objectives}

    @property
    def needs_reference(self) -> bool:
        """Whether it cannot do without reference examples in its batches."""
        return any(objective.needs_reference for objective in self.by_region.values())

    @property
    def needs_teacher(self) -> bool:
        """Whether an objective needs a teacher's answers."""
        return any(objective.needs_teacher for objective in self.by_region.values())

    @property
    def mixes(self) -> bool:
        """Whether an objective changes the inputs of its batch."""
        return any(type(part).mix is not Objective.mix for part in self.by_region.values())

    @property
    def named(self) -> Iterator[str]:
        """The regions that it names."""
        yield from (*self.rewound, *self.frozen, *self.perturbed)
        if isinstance(self.objectives, Mapping):
            yield from self.objectives


def _refuse(rule: str, against: Mapping[str, bool]) -> None:
    found = [name for name, there in against.items() if there]
    if found:
        raise Refused(f"{rule}; this one has {' and '.join(found)}")
