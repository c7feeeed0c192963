"""The compiled programs of a group: a phase's start and an epoch, mapped over models."""

from dataclasses import dataclass, field
from functools import partial

import jax
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Variables, full_float32
from pptp_jax.pytree import pytree
from pptp_jax.training.optimizer import PhaseOptimizer
from pptp_jax.training.phase import Phase
from pptp_jax.training.side_by_side import Ensemble
from pptp_jax.training.state import TrainState
from pptp_jax.training.strategy import Strategy
from pptp_jax.training.train import all_finite
from pptp_jax.training.trainer import Trainer


@pytree
@dataclass(frozen=True)
class GroupRules:
    """How the models of a group are trained, the same for all of them.

    Attributes:
        trainer: how each model is trained.
        optimizer: makes the transform, given the number of steps of the schedule.
        strategy: how the models are mapped; another one is another program.

    Examples:
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training.optimizer import SGD
        >>> trainer = Trainer(mlp([8], num_classes=10), None, batch_size=32)
        >>> GroupRules(trainer, SGD(), Strategy(order="scan")).strategy.order
        'scan'
    """

    trainer: Trainer
    optimizer: PhaseOptimizer
    strategy: Strategy = field(metadata={"static": True})


@jax.jit
@full_float32
def start_group(
    rules: GroupRules,
    phase: Phase,
    taught: Ensemble | None,
    keys: Key[Array, " models"],
    data: Arrays,
    members: Int[Array, "models members"],
    before: Variables | None,
    earlier: tuple[Variables, ...] = (),
) -> TrainState:
    """`Trainer.start` for each model of a group."""
    axes: tuple[int | None, ...] = (None, None, None, None, 0, None, 0)
    axes = (*axes, None if before is None else 0, 0 if earlier else None)
    given = rules.trainer, rules.optimizer, phase, taught, keys, data, members, before, earlier
    return rules.strategy.over_models(Trainer.start, axes)(*given)


@partial(jax.jit, donate_argnums=2)
@full_float32
def epoch_of_group(
    rules: GroupRules,
    phase: Phase,
    state: TrainState,
    data: Arrays,
    members: Int[Array, "models members"],
    keys: Key[Array, " models"],
    number: Int[Array, ""],
    within: Int[Array, ""],
) -> tuple[TrainState, Float[Array, " models"]]:
    """`Trainer.epoch` for each model of a group; the memory of the state given is used again."""
    mapped = rules.strategy.over_models(
        Trainer.epoch, (None, None, None, 0, None, 0, 0, None, None)
    )
    own = rules.trainer, rules.optimizer, phase, state
    return mapped(*own, data, members, keys, number, within)


# Which models of a group stayed finite: one program, not one for each shape of a parameter.
are_finite = jax.jit(jax.vmap(all_finite))
