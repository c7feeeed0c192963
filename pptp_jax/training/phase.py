"""A phase: some epochs of training under one set of rules, as plain frozen data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
from jaxtyping import Array, Int

from pptp_jax.objectives import Objective
from pptp_jax.pytree import pytree
from pptp_jax.training.averages import Average
from pptp_jax.training.batches import Batches, Poisson, Shuffled
from pptp_jax.training.beginnings import Beginning, FromScratch, Restore, Rewind, RewindWeights
from pptp_jax.training.federation import Federated
from pptp_jax.training.gradient_rules import Number, Perturbation, Perturbed, Plain, Private
from pptp_jax.training.optimizer import Schedule
from pptp_jax.training.side_by_side import Ensemble, Fork
from pptp_jax.validation import Refused, at_least, not_negative, one_of, several
from pptp_jax.validation.faults import faults

# The label of the one objective that all parameters share.
WHOLE = "whole"


@pytree
@dataclass(frozen=True, kw_only=True)
class Phase:
    """Some epochs of training under one set of rules, from a fresh optimiser state.

    A pytree: the number of epochs and all strengths are leaves, so that phases that differ in
    them alone share one compiled program.

    Attributes:
        epochs: how many passes over the examples, which the learning-rate schedule spans.
        objectives: one objective for all parameters, or one a region.
        start: what is taken back as the phase begins: regions to their initial values or to those
            of an earlier epoch; the most vulnerable weights, or all of the network, to the initial
            values.
        frozen: the regions that do not move.
        fixed_statistics: regions that learn while their batch norm keeps its statistics. A block
            is in eval mode where all its parameters lie in these regions or in frozen ones; if any
            other parameter of it learns, its statistics move, too.
        schedule: the schedule of the learning rate, in place of that of the `SGD` or `AdamW`.
        weight_decay: the weight decay, in place of that of the optimiser: one number for all of the
            network, or numbers for some regions; the other regions keep that of the optimiser.
        gradient: what is done to the gradients. DP-SGD is on all that is trained, which is clipped
            as one.
        batches: how they are drawn; `Poisson` for a private gradient alone. The accountant reads
            this very object.
        examples: what is trained on: the model's `members`, or the `reference` examples, which no
            model has as members.
        ensemble: trains sub-models on parts of the members, each from initial values of its own, in
            place of the network; None without.
        fork: trains copies of the network on disjoint parts of the members, whose mean it leaves;
            None without.
        average: leaves an average over its steps in place of the last step's network; None without.
        clients: trains in rounds, each of them an epoch, at clients that send updates to a server,
            whose network it leaves; None without.

    Raises:
        ValueError: if two of the rules contradict each other.

    Examples:
        >>> from pptp_jax.objectives import TaskLoss
        >>> Phase(epochs=8, objectives=TaskLoss(), frozen=("protect",)).frozen
        ('protect',)
    """

    epochs: int | Int[Array, ""]
    objectives: Objective | Mapping[str, Objective]
    start: tuple[Beginning, ...] = ()
    frozen: tuple[str, ...] = jax.tree.static(default=())
    fixed_statistics: tuple[str, ...] = jax.tree.static(default=())
    schedule: Schedule | None = jax.tree.static(default=None)  # noqa: RUF009 - a field
    weight_decay: Number | Mapping[str, Number] | None = None
    gradient: Plain | Perturbed | Private = Plain()  # noqa: RUF009 - frozen
    batches: Batches = Shuffled()  # noqa: RUF009 - frozen
    examples: Literal["members", "reference"] = jax.tree.static(default="members")
    ensemble: Ensemble | None = None
    fork: Fork | None = None
    average: Average | None = None
    clients: Federated | None = None

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs)
        one_of(("members", "reference"), examples=self.examples)
        several(start=self.start, frozen=self.frozen, fixed_statistics=self.fixed_statistics)
        if self.schedule is not None:
            one_of(get_args(Schedule), schedule=self.schedule)
        if isinstance(self.weight_decay, Mapping) and not self.weight_decay:
            raise Refused("weight_decay needs a number for at least one region, got none")
        for label, decay in self.decayed.items():
            not_negative(**{f"weight_decay of {label}": decay})
        _one_of_types(
            start=(self.start, (Rewind, Restore, FromScratch, RewindWeights)),
            gradient=((self.gradient,), (Plain, Perturbed, Private)),
            batches=((self.batches,), (Shuffled, Poisson)),
        )
        for part in self.by_region.values():
            if not isinstance(part, Objective):
                found = type(part).__name__
                raise Refused(f"an objective must be one of pptp_jax.objectives, got {found}")
        if isinstance(self.objectives, Mapping) and self.mixes:
            raise Refused("an objective that mixes inputs must be the only one of its phase")
        if sum(isinstance(part, RewindWeights) for part in self.start) > 1:
            raise Refused("a phase rewinds the most vulnerable weights once: give one share")
        back = [*self.rewound, *(part.region for part in self.restored)]
        for label in back:
            if back.count(label) > 1:
                raise Refused(f"the region {label} is taken back twice as the phase begins")
        given = {
            "perturbed": self.perturbed,
            "with fixed statistics": self.fixed_statistics,
            "decayed": self.decayed,
            "averaged": () if self.average is None else self.average.regions,
            "searched for weights to rewind": self.searched,
            "weighted": self.weighted,
            "sent by a rule or kept at home": () if self.clients is None else self.clients.named,
        }
        for what, labels in given.items():
            for label in labels:
                if label in self.frozen:
                    raise Refused(f"the region {label} cannot be both {what} and frozen")
        if isinstance(self.gradient, Private):
            self._check_private()
        elif isinstance(self.batches, Poisson):
            raise Refused(
                "Poisson batches vary in size, and only a private gradient is divided by the size "
                "that is expected: take gradient=Private(...) or batches=Shuffled()"
            )
        self._check_networks()

    def _check_networks(self) -> None:
        """Refuses rules that networks trained side by side cannot follow."""
        if self.ensemble is not None:
            _refuse(
                "an ensemble's sub-models start from scratch, on members, without a teacher",
                {
                    "a fork": self.fork is not None,
                    "an average": self.average is not None,
                    "an objective that needs one": self.needs_teacher,
                    "reference examples to train on": self.examples == "reference",
                    "something to rewind": any(not isinstance(b, FromScratch) for b in self.start),
                },
            )
        if self.fork is not None:
            _refuse(
                "a fork's copies learn from parts of the members by the same rules",
                {
                    "reference examples to train on": self.examples == "reference",
                    "an objective that needs a teacher": self.needs_teacher,
                    "vulnerable weights": self.rewound_weights is not None,
                },
            )
        if self.clients is not None:
            _refuse(
                "clients learn from their own members by one set of rules",
                {
                    "an ensemble": self.ensemble is not None,
                    "a fork": self.fork is not None,
                    "an average": self.average is not None,
                    "a private gradient": isinstance(self.gradient, Private),
                    "reference examples to train on": self.examples == "reference",
                    "an objective that needs a teacher": self.needs_teacher,
                    "vulnerable weights": self.rewound_weights is not None,
                },
            )
            self.clients.check_rounds(self.epochs)

    def _check_private(self) -> None:
        _refuse(
            "a private phase sees members through their clipped gradients alone",
            {
                "an objective a region": isinstance(self.objectives, Mapping),
                "an objective that needs reference examples": self.needs_reference,
                "an objective that mixes inputs": self.mixes,
                "an objective that learns from the members itself": self.learns,
                "vulnerable weights": self.rewound_weights is not None,
                "an ensemble": self.ensemble is not None,
                "a fork": self.fork is not None,
                "statistics that stay in place": bool(self.fixed_statistics),
            },
        )

    @property
    def from_scratch(self) -> bool:
        """Whether all of the network starts from its initial values."""
        return any(isinstance(part, FromScratch) for part in self.start)

    @property
    def rewound(self) -> tuple[str, ...]:
        """The regions that start from their initial values."""
        return tuple(part.region for part in self.start if isinstance(part, Rewind))

    @property
    def restored(self) -> tuple[Restore, ...]:
        """The regions that start from their values after an earlier epoch."""
        return tuple(part for part in self.start if isinstance(part, Restore))

    @property
    def rewound_weights(self) -> RewindWeights | None:
        """The rule for the weights that start from their initial values; None if there are none."""
        return next((part for part in self.start if isinstance(part, RewindWeights)), None)

    @property
    def searched(self) -> tuple[str, ...]:
        """The region whose most vulnerable weights are rewound; none for the entire network."""
        rule = self.rewound_weights
        return () if rule is None or rule.region is None else (rule.region,)

    @property
    def perturbed(self) -> Mapping[str, Perturbation]:
        """The gradient rule of each region."""
        return self.gradient.regions if isinstance(self.gradient, Perturbed) else {}

    @property
    def weighted(self) -> Mapping[str, Number]:
        """The factor of each region's gradient in a private phase."""
        return (isinstance(self.gradient, Private) and self.gradient.weights) or {}

    @property
    def decayed(self) -> Mapping[str, Number]:
        """The weight decay by region; under `WHOLE` if there is one for all."""
        if isinstance(self.weight_decay, Mapping):
            return self.weight_decay
        return {} if self.weight_decay is None else {WHOLE: self.weight_decay}

    @property
    def networks(self) -> int:
        """How many networks it trains side by side for one model."""
        if self.ensemble is not None:
            return self.ensemble.models
        if self.clients is not None:
            return self.clients.clients
        return 1 if self.fork is None else self.fork.parts

    def part(self, examples: int) -> int:
        """The number of examples that each of these networks trains on, of `examples`."""
        apart = self.ensemble or self.fork or self.clients
        return examples if apart is None else apart.part(examples)

    @property
    def sees_members(self) -> bool:
        """Whether anything in it looks at the members of a model."""
        return self.examples == "members" or self.rewound_weights is not None

    @property
    def by_region(self) -> dict[str, Objective]:
        """The objectives by region; under `WHOLE` if there is one for all."""
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
    def learns(self) -> bool:
        """Whether an objective learns from the members itself, beside the network."""
        return any(type(part).learn is not Objective.learn for part in self.by_region.values())

    @property
    def named(self) -> Iterator[str]:
        """The regions that it names."""
        yield from (*self.rewound, *self.searched, *self.frozen, *self.fixed_statistics)
        yield from (*self.perturbed, *self.weighted, *(part.region for part in self.restored))
        if isinstance(self.weight_decay, Mapping):
            yield from self.weight_decay
        if self.average is not None:
            yield from self.average.regions
        if self.clients is not None:
            yield from self.clients.named
        if isinstance(self.objectives, Mapping):
            yield from self.objectives


def _refuse(rule: str, against: Mapping[str, bool]) -> None:
    if found := faults(against):
        raise Refused(f"{rule}; this one has {found}")


def _one_of_types(**parts: tuple[tuple[Any, ...], tuple[type, ...]]) -> None:
    for name, (found, allowed) in parts.items():
        for part in found:
            if not isinstance(part, allowed):
                known = ", ".join(kind.__name__ for kind in allowed)
                raise Refused(f"{name} must be made of {known}, got a {type(part).__name__}")
