"""The steps of a recipe, counted through all its epochs."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from pptp_jax.training.recipe import Recipe


class Position(NamedTuple):
    """The position of a step; all numbers from 0.

    Attributes:
        phase: the phase.
        within: the epoch in its phase.
        number: the epoch in the recipe.
        step: the step in its epoch.
    """

    phase: int
    within: int
    number: int
    step: int


class StepPlan(NamedTuple):
    """The steps of each phase of a recipe.

    Attributes:
        rows: the examples of its epochs.
        epochs: how many epochs it has.
        steps: how many steps each of them has; a smaller rest of examples is left out.
    """

    rows: list[Int[np.ndarray, " examples"]]
    epochs: list[int]
    steps: list[int]

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        members: Int[np.ndarray, " members"],
        reference: Int[np.ndarray, " reference"],
        batch_size: int,
    ) -> "StepPlan":
        """The plan of a recipe."""
        rows = [members if phase.examples == "members" else reference for phase in recipe.phases]
        epochs = [int(phase.epochs) for phase in recipe.phases]
        return cls(rows, epochs, [len(own) // batch_size for own in rows])

    @property
    def ends(self) -> Int[np.ndarray, " phases"]:
        """The cumulative number of steps at the end of each phase."""
        return np.cumsum(np.multiply(self.epochs, self.steps))

    def at(self, done: int) -> Position:
        """The position of the step after `done` others."""
        phase = int(np.searchsorted(self.ends, done, side="right"))
        before = int(self.ends[phase]) - self.epochs[phase] * self.steps[phase]
        within, step = divmod(done - before, self.steps[phase])
        return Position(phase, within, sum(self.epochs[:phase]) + within, step)
