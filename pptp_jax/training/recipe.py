"""Phases and recipes: how a model is trained, as plain frozen data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
from jaxtyping import Array, Int

from pptp_jax.models import Model
from pptp_jax.objectives import Objective
from pptp_jax.regions import RegionMap, protect
from pptp_jax.validation import at_least, one_of


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Phase:
    """Some epochs of training under one set of rules, from a fresh optimiser state.

    A pytree: the number of epochs and the objectives' strengths are leaves, so that phases that
    differ in them alone share one compiled program.

    Attributes:
        epochs: how many passes over the members, which the learning-rate schedule spans.
        objectives: one objective for all parameters, or one a region.
        rewound: the regions that are taken back to their initial values as the phase begins.
        frozen: the regions that do not move.

    Examples:
        >>> from pptp_jax.objectives import CrossEntropy
        >>> Phase(epochs=8, objectives=CrossEntropy(), frozen=("protect",)).frozen
        ('protect',)
    """

    epochs: int | Int[Array, ""]
    objectives: Objective | Mapping[str, Objective]
    rewound: tuple[str, ...] = jax.tree.static(default=())
    frozen: tuple[str, ...] = jax.tree.static(default=())

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A method of training: its phases, and the words that a table needs for it.

    Attributes:
        name: the method's name, such as `split`.
        phases: what happens, in order.
        region: what is protected: a preset, blocks' names, or a region map; None if the phases
            know no regions.
        defence: the defence objective's name; `none` without one.
        strength: the defence objective's strength; None without one.

    Raises:
        ValueError: if there is no phase, or a phase names regions and the recipe has none.

    Examples:
        >>> from pptp_jax.objectives import CrossEntropy
        >>> plain = Phase(epochs=2, objectives=CrossEntropy())
        >>> Recipe(name="mine", phases=(plain, plain)).slug
        'mine_2+2'
    """

    name: str
    phases: tuple[Phase, ...]
    region: str | tuple[str, ...] | RegionMap | None = None
    defence: str = "none"
    strength: float | None = None

    def __post_init__(self) -> None:
        at_least(1, **{f"the number of phases of {self.name}": len(self.phases)})
        for phase in self.phases:
            named = isinstance(phase.objectives, Mapping) or phase.rewound or phase.frozen
            if named and self.region is None:
                raise ValueError(f"{self.name} names regions in a phase: give it a region")

    @property
    def region_name(self) -> str:
        """The region in a word: a preset or block names; `custom` for a map, `-` for none."""
        if self.region is None:
            return "-"
        if isinstance(self.region, RegionMap):
            return "custom"
        return self.region if isinstance(self.region, str) else "+".join(self.region)

    @property
    def epochs(self) -> str:
        """The phases' epochs in a word, such as `1+8`."""
        return "+".join(str(phase.epochs) for phase in self.phases)

    @property
    def slug(self) -> str:
        """A name for files that tells this recipe from the others of a study."""
        parts: Sequence[object] = [self.name, self.epochs]
        if self.region is not None:
            parts = [*parts, self.region_name]
        if self.defence != "none":
            parts = [*parts, self.defence]
        if self.strength is not None:
            parts = [*parts, f"{self.strength:g}"]
        return "_".join(map(str, parts))

    def regions(self, model: Model) -> RegionMap | None:
        """The region map for a model; None if the recipe knows no regions.

        Raises:
            ValueError: if the region does not fit the model's blocks, or a phase names a region
                that the map does not have or leaves one without an objective.
        """
        if self.region is None:
            return None
        regions = protect(self.region, model.blocks)
        for phase in self.phases:
            for label in (*phase.rewound, *phase.frozen):
                one_of(regions.names, **{f"{self.name}: region": label})
            if isinstance(phase.objectives, Mapping):
                given, needed = set(phase.objectives), set(regions.names) - set(phase.frozen)
                if given != needed:
                    raise ValueError(
                        f"{self.name}: a phase has objectives for {', '.join(sorted(given))}; it "
                        f"must have one for each region that it trains: {', '.join(sorted(needed))}"
                    )
        return regions
