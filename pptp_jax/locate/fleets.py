"""The fleets that a risk map compares: the same models, trained in different ways.

A group of models at a time, so that memory holds a group of each fleet and no more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from pptp_jax.data import Arrays
from pptp_jax.locate.weight_swaps import exchanged
from pptp_jax.models import Model, Variables
from pptp_jax.models.blocks import block_numbers, block_regions
from pptp_jax.objectives import Objective, TaskLoss
from pptp_jax.training import (
    Branch,
    Execution,
    Optimizer,
    Perturbation,
    Perturbed,
    Phase,
    Progress,
    Recipe,
    train_fleet,
    undefended,
    whole_network,
)

Report = Callable[[Progress], None]


class Fleets(NamedTuple):
    """Some models of each fleet, stacked; all started at the same values.

    Attributes:
        initial: as they started.
        early: after the first epochs of plain training.
        trained: after plain training.
        defended: after training with the defence.
    """

    initial: Variables
    early: Variables
    trained: Variables
    defended: Variables


@dataclass(frozen=True, kw_only=True)
class RiskMapSpec:
    """How the fleets of a risk map are trained.

    Attributes:
        model: what is trained.
        data: the examples.
        members: each model's members.
        epochs: the epochs of plain training and of the defended fleet.
        early: the epochs behind the early checkpoint.
        retrain: the epochs for which a region is trained alone; 0 for none.
        defence: the objective of the defended fleet, and of a region that is trained alone.
        optimizer: as in `train_fleet`.
        batch_size: as in `train_fleet`.
        seed: as in `train_fleet`.
    """

    model: Model
    data: Arrays
    members: Int[np.ndarray, "models members"]
    epochs: int
    early: int
    retrain: int
    defence: Objective
    optimizer: Optimizer
    batch_size: int
    seed: int

    @property
    def ways(self) -> int:
        """How many of `MODIFICATIONS` are tried: all, or all but the last, which is retraining."""
        return 4 if self.retrain else 3

    def fleets(self, group: tuple[int, ...], report: Report) -> Fleets:
        """Trains some models plainly and, from the same values, with the defence."""
        early: list[Variables] = []

        def keep(group: tuple[int, ...], epochs: int, variables: Variables) -> None:
            if epochs == self.early:  # training reuses the memory of what it gave
                early.append(jax.tree.map(jnp.copy, variables))

        trained = self._train(undefended(self.epochs), group, report, on_epoch=keep)
        defended = self._train(whole_network(self.defence, self.epochs), group, report)
        initial = _initial(self.model, self.data, self.seed, jnp.array(group))
        return Fleets(initial, early[0], trained, defended)

    def retrained(
        self, group: tuple[int, ...], fleets: Fleets, chosen: Bool[Array, " blocks"], report: Report
    ) -> Variables:
        """Trains some blocks again with the defence, from their initial values.

        The rest stays where plain training ended. Its updates are multiplied by zero, and not
        frozen by the phase: so which blocks move is an argument of the compiled program. The batch
        norm of the rest normalises by the batch. The learning rate starts from the beginning.
        """
        moving = {
            block.name: Perturbation(scale=moves)
            for block, moves in zip(self.model.blocks, chosen.astype(jnp.float32), strict=True)
        }
        phases = (
            Phase(epochs=self.epochs, objectives=TaskLoss()),
            Phase(epochs=self.retrain, objectives=self.defence, gradient=Perturbed(moving)),
        )
        recipe = Recipe(name="retrain", phases=phases, region=block_regions(self.model))
        params, state = fleets.trained
        numbers = block_numbers(self.model, params)
        rewound = exchanged(params, fleets.initial.params, numbers, chosen)
        losses = jnp.zeros((len(group), self.epochs))
        branch = Branch(1, Variables(rewound, state), losses)
        return self._train(recipe, group, report, start=lambda _: branch)

    def _train(
        self, recipe: Recipe, group: tuple[int, ...], report: Report, **execution: Any
    ) -> Variables:
        [fleet] = train_fleet(
            self.model,
            recipe,
            self.data,
            self.members,
            optimizer=self.optimizer,
            batch_size=self.batch_size,
            seed=self.seed,
            execution=Execution(groups=[group], on_progress=report, **execution),
        )
        return fleet.variables


@jax.jit
def _initial(model: Model, data: Arrays, seed: int, group: Int[Array, " models"]) -> Variables:
    """The values that `train_fleet` starts these models at."""

    def one(number: Int[Array, ""]) -> Variables:
        key = jax.random.fold_in(jax.random.key(seed), number)
        return model.init(jax.random.fold_in(key, 0), data.inputs(slice(0, 1)))

    return jax.vmap(one)(group)
