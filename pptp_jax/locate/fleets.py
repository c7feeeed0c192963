"""The fleets that a risk map compares: the same models, trained in different ways.

A group of models at a time, so that memory holds a group of each fleet and no more.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from pptp_jax.data import Arrays
from pptp_jax.locate.spec import RiskMapSpec
from pptp_jax.locate.weight_swaps import exchanged
from pptp_jax.models import Model, Variables
from pptp_jax.models.blocks import block_numbers, block_regions
from pptp_jax.objectives import TaskLoss
from pptp_jax.training import (
    Branch,
    Execution,
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


def train_fleets(spec: RiskMapSpec, group: tuple[int, ...], report: Report) -> Fleets:
    """Trains models without and with the defence, from the same initial values."""
    early: list[Variables] = []

    def keep(group: tuple[int, ...], epochs: int, variables: Variables) -> None:
        if epochs == spec.early:  # training reuses the memory of what it gave
            early.append(jax.tree.map(jnp.copy, variables))

    trained = _train(spec, undefended(spec.epochs), group, report, on_epoch=keep)
    defended = _train(spec, whole_network(spec.defence, spec.epochs), group, report)
    initial = _initial(spec.model, spec.data, spec.seed, jnp.array(group))
    return Fleets(initial, early[0], trained, defended)


def retrained(
    spec: RiskMapSpec,
    group: tuple[int, ...],
    fleets: Fleets,
    chosen: Bool[Array, " blocks"],
    report: Report,
) -> Variables:
    """Trains some blocks again with the defence, from their initial values.

    The rest stays where plain training ended. Its updates are multiplied by zero, and not
    frozen by the phase: so which blocks move is an argument of the compiled program. The batch
    norm of the rest normalises by the batch. The learning rate starts from the beginning.
    """
    moving = {
        block.name: Perturbation(scale=moves)
        for block, moves in zip(spec.model.blocks, chosen.astype(jnp.float32), strict=True)
    }
    phases = (
        Phase(epochs=spec.epochs, objectives=TaskLoss()),
        Phase(epochs=spec.retrain, objectives=spec.defence, gradient=Perturbed(moving)),
    )
    recipe = Recipe(name="retrain", phases=phases, region=block_regions(spec.model))
    params, state = fleets.trained
    numbers = block_numbers(spec.model, params)
    rewound = exchanged(params, fleets.initial.params, numbers, chosen)
    losses = jnp.zeros((len(group), spec.epochs))
    branch = Branch(1, Variables(rewound, state), losses)
    return _train(spec, recipe, group, report, start=lambda _: branch)


def _train(
    spec: RiskMapSpec, recipe: Recipe, group: tuple[int, ...], report: Report, **execution: Any
) -> Variables:
    [fleet] = train_fleet(
        spec.model,
        recipe,
        spec.data,
        spec.members,
        optimizer=spec.optimizer,
        batch_size=spec.batch_size,
        seed=spec.seed,
        execution=Execution(groups=[group], on_progress=report, **execution),
    )
    return fleet.variables


@jax.jit
def _initial(model: Model, data: Arrays, seed: int, group: Int[Array, " models"]) -> Variables:
    """The initial values of these models in `train_fleet`."""

    def one(number: Int[Array, ""]) -> Variables:
        key = jax.random.fold_in(jax.random.key(seed), number)
        return model.init(jax.random.fold_in(key, 0), data.inputs(slice(0, 1)))

    return jax.vmap(one)(group)
