"""Recipes: methods of training, as plain frozen data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pptp_jax.models import Model
from pptp_jax.regions import Region, RegionMap, protect, region_name
from pptp_jax.release import Release
from pptp_jax.training.loop_phases import LoopPhase, loop_phases
from pptp_jax.training.optimizer import Optimizer
from pptp_jax.training.phase import Phase
from pptp_jax.training.restoration import check_restored, kept_epochs
from pptp_jax.training.side_by_side import Ensemble
from pptp_jax.validation import Refused, at_least, keep_python_numbers, one_of
from pptp_jax.validation.field_types import check_fields
from pptp_jax.validation.names import file_name

# Most file systems take 255 bytes; files add some to the name of their recipe.
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe: the phases of a training, and the texts that a table needs for it.

    Attributes:
        name: the method's name, such as `split`.
        phases: what happens, in order.
        region: what is protected, as `pptp_jax.regions.protect` takes it; None if the phases know
            no regions.
        defence: the defence objective's name; `none` without one.
        strength: the defence objective's strength; None without one.
        release: what the trained network answers in place of its logits; None releases them.

    Raises:
        ValueError: if there is no phase, a phase names regions and the recipe has none, or a phase
            needs something that the phases before it do not leave.

    Examples:
        >>> from pptp_jax.objectives import TaskLoss
        >>> plain = Phase(epochs=2, objectives=TaskLoss())
        >>> Recipe(name="mine", phases=(plain, plain)).slug
        'mine_2+2'
    """

    name: str
    phases: tuple[Phase, ...]
    region: Region | None = None
    defence: str = "none"
    strength: float | None = None
    release: Release | None = None

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        check_fields(self)
        file_name(name=self.name, defence=self.defence)
        at_least(1, **{f"the number of phases of {self.name}": len(self.phases)})
        check_restored(self.name, self.phases)
        for before, phase in zip((None, *self.phases), self.phases, strict=False):
            if self.region is None and any(phase.named):
                raise Refused(f"{self.name} names regions in a phase: give it a region")
            if before is None and phase.needs_teacher:
                raise Refused(f"{self.name} needs a teacher: train one in a phase before")
            behind = before is not None and before.ensemble is not None
            if behind and not (phase.from_scratch and phase.examples == "members"):
                raise Refused(
                    f"{self.name} must train from scratch, on the members, after the phase of an "
                    "ensemble"
                )
        if self.phases[-1].ensemble is not None:
            raise Refused(f"{self.name} ends with an ensemble: distil it into one network")
        if (length := len(self.slug.encode())) > _LONGEST:
            raise Refused(
                f"{self.name[:40]}... has {length} bytes with its region. Files have its name, so "
                f"{_LONGEST} are the most: give it a shorter one"
            )

    @property
    def needs_reference(self) -> bool:
        """Whether it looks at reference examples."""
        return any(
            phase.needs_reference
            or phase.examples == "reference"
            or (phase.rewound_weights is not None and phase.rewound_weights.reference_weight > 0)
            for phase in self.phases
        )

    @property
    def networks(self) -> int:
        """The most networks that it trains side by side for one model, in an ensemble or a fork."""
        return max(phase.networks for phase in self.phases)

    def places(self, members: int, batch_size: int) -> int:
        """How many places its largest batches have: more than `batch_size` if they are Poisson.

        Args:
            members: how many examples a model trains on.
            batch_size: the members in a step.

        Examples:
            >>> from pptp_jax.training import Poisson, Private, dp_sgd, undefended
            >>> sampled = dp_sgd(Private(noise_multiplier=1.0), epochs=1, batches=Poisson())
            >>> undefended(1).places(1024, 128), sampled.places(1024, 128)
            (128, 228)
        """
        own = [phase for phase in self.phases if phase.examples == "members"]
        sizes = [phase.batches.drawing(members, batch_size).size for phase in own]
        return max([batch_size, *sizes])

    def taught(self, phase: int) -> Ensemble | None:
        """The ensemble that the phase before a phase has trained; None if it was the network."""
        return self.phases[phase - 1].ensemble if phase else None

    def kept(self, epochs: int) -> tuple[int, ...]:
        """The epochs after which networks have been saved and are still needed.

        Networks are kept until a phase has begun that takes a region back to them.

        Args:
            epochs: how many epochs of the recipe are done.

        Examples:
            >>> from pptp_jax.training import restored
            >>> recipe = restored(5, to=2, more=3, region="deep")
            >>> [recipe.kept(epochs) for epochs in (1, 2, 5, 6)]
            [(), (2,), (2,), ()]
        """
        return kept_epochs(self.phases, epochs)

    @property
    def epochs(self) -> str:
        """The phases' epochs in a word, such as `1+8`; `8@1` goes back to epoch 1 for a region."""
        return "+".join(
            "@".join([str(phase.epochs), *(str(part.after) for part in phase.restored)])
            for phase in self.phases
        )

    @property
    def slug(self) -> str:
        """A name for files that tells this recipe from the others of a study."""
        parts: Sequence[object] = [self.name, self.epochs]
        if self.region is not None:
            parts = [*parts, region_name(self.region)]
        if self.defence != "none":
            parts = [*parts, self.defence]
        if self.strength is not None:
            parts = [*parts, f"{self.strength:g}"]
        if self.release is not None:
            parts = [*parts, self.release.name]
        name = "_".join(map(str, parts)).replace(" ", "-")
        return name.translate(str.maketrans(":", "-", "[]"))

    def transforms(
        self,
        optimizer: Optimizer,
        regions: RegionMap | None = None,
        *,
        steps_per_epoch: int | None = None,
    ) -> list[LoopPhase]:
        """The phases for a training loop of your own: NNX, Equinox, or any pytree.

        Args:
            optimizer: an optax transform, whose state begins again in every phase; or what makes
                one from the number of steps of a phase's schedule, as `SGD()` does.
            regions: the parameters by region, with the labels that the recipe names, such as
                `protect`; the recipe's own region is not looked at.
            steps_per_epoch: the updates in an epoch, for an optimiser that has a schedule.

        Returns:
            For each phase its epochs, the transform, and how its parameters start.

        Raises:
            ValueError: if a phase asks for more than transforms can do, such as another loss.

        Examples:
            >>> import optax
            >>> from pptp_jax.training import freeze
            >>> regions = RegionMap.from_rules([("stem", "protect"), ("head", "general")])
            >>> phases = freeze("stem", after=2, more=8).transforms(optax.sgd(0.1), regions)
            >>> [(epochs, start({"w": 1.0}, {"w": 0.0})) for epochs, tx, start in phases]
            [(2, {'w': 1.0}), (8, {'w': 1.0})]
        """
        return loop_phases(self.phases, optimizer, regions, steps_per_epoch)

    def regions(self, model: Model) -> RegionMap | None:
        """The region map for a model; None if the recipe knows no regions.

        Raises:
            ValueError: if the region does not fit the model's blocks, or a phase names a region
                that the map does not have or leaves one without an objective.
        """
        if self.region is None:
            return None
        regions = protect(self.region, model.blocks, model.parts)
        for phase in self.phases:
            named = {*phase.named} - {*phase.by_region}
            for label in sorted(named):
                one_of(regions.names, **{f"{self.name}: region": label})
            if isinstance(phase.objectives, Mapping):
                given, needed = set(phase.objectives), set(regions.names) - set(phase.frozen)
                if given != needed:
                    raise Refused(
                        f"{self.name}: a phase has objectives for {', '.join(sorted(given))}; it "
                        f"must have one for each region that it trains: {', '.join(sorted(needed))}"
                    )
        return regions
