"""The settings of every audit by canaries: recipes, runs and the confidence of the bounds."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Int

from pptp_jax.audit.bound import check_level
from pptp_jax.data import Arrays, Dataset, Source, sample
from pptp_jax.models import Model
from pptp_jax.training import (
    DEFAULT_OPTIMIZER,
    Optimizer,
    Phase,
    Recipe,
    check_members,
    check_model,
    phase_optimizer,
)
from pptp_jax.validation import Refused, at_least, given, keep_python_numbers
from pptp_jax.validation.faults import faults
from pptp_jax.validation.field_types import check_fields
from pptp_jax.validation.names import file_name


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """The fields that all audits by canaries share.

    Recipes may do no more with members than take gradients of outputs and labels, so that an
    absent canary can keep its place in its batch with a gradient of zero.

    Attributes:
        name: what the run directory is called by default.
        data: where the examples come from.
        model: what is trained.
        recipes: the trainings that are audited.
        held_out: how many examples no run trains on, for the utility.
        runs: how many models each recipe trains.
        examples: how many examples take part; None takes all.
        optimizer: an `SGD` or `AdamW`, an optax transform, or a function from the number of
            steps of a phase's schedule to one.
        batch_size: the examples in a step.
        delta: the δ of the bounds; None takes 1 / (10 · places), that of the guarantee, with a
            place for each example and each canary.
        confidence: of each bound.
        seed: what every draw derives from.

    Raises:
        ValueError: if there are too few runs or recipes, or a recipe does more with its members
            than to take gradients of a loss of outputs and labels.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> model, recipes = mlp([16], num_classes=10), (undefended(2),)
        >>> AuditSettings(name="mine", data=Digits(), model=model, recipes=recipes, runs=4)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: runs must be an integer of at least 8, got 4
    """

    name: str
    data: Source
    model: Model
    recipes: tuple[Recipe, ...]
    held_out: int = 500
    runs: int = 64
    examples: int | None = None
    optimizer: Optimizer = DEFAULT_OPTIMIZER
    batch_size: int = 64
    delta: float | None = None
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        check_fields(self)
        file_name(name=self.name)
        phase_optimizer(self.optimizer)
        counts = {"recipes": len(self.recipes), "held_out": self.held_out}
        at_least(1, batch_size=self.batch_size, **counts, **given(examples=self.examples))
        check_level(0.0 if self.delta is None else self.delta, self.confidence)
        at_least(8, runs=self.runs)
        at_least(0, seed=self.seed)
        for recipe in self.recipes:
            for phase in recipe.phases:
                _check_phase(recipe, phase)

    def load(self) -> Dataset:
        """Reads the examples that take part."""
        return self.data.load(partial(sample, examples=self.examples, multiple=1, seed=self.seed))

    def hold_out(
        self, data: Dataset, rng: np.random.Generator
    ) -> tuple[Int[np.ndarray, " held_out"], Int[np.ndarray, " others"]]:
        """Draws the rows that no run trains on; returns these and the others.

        Raises:
            ValueError: if no others are left.
        """
        if len(data) <= self.held_out:
            raise Refused(
                f"{data.name} has {len(data)} examples; {self.held_out} held out leave none to "
                "train on"
            )
        order = rng.permutation(len(data))
        return order[: self.held_out], np.sort(order[self.held_out :])

    def check_recipes(self, data: Dataset, places: int) -> None:
        """Refuses recipes whose batches `places` cannot fill, or that do not fit the model.

        Raises:
            ValueError: if one does not.
        """
        for recipe in self.recipes:
            check_members(recipe, places, self.batch_size)
            check_model(recipe, self.model, Arrays.of(data).batch_shape())


def _check_phase(recipe: Recipe, phase: Phase) -> None:
    more = {
        "an ensemble": phase.ensemble is not None,
        "a fork": phase.fork is not None,
        "a teacher": phase.needs_teacher,
        "reference examples": phase.needs_reference or phase.examples == "reference",
        "mixed inputs": phase.mixes,
        "an objective that learns from members itself": phase.learns,
        "vulnerable weights": phase.rewound_weights is not None,
    }
    if found := faults(more):
        raise Refused(
            f"canaries audit trainings that take gradients of outputs and labels alone, where an "
            f"absent example can have none; {recipe.name} has {found}"
        )
