"""The compiled programs of a group: a phase's start and an epoch, mapped over models."""

from functools import partial

import jax
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Variables
from pptp_jax.training.optimizer import PhaseOptimizer
from pptp_jax.training.phase import Ensemble, Phase
from pptp_jax.training.state import TrainState
from pptp_jax.training.strategy import Strategy
from pptp_jax.training.trainer import Trainer


@partial(jax.jit, static_argnums=1)
def start_group(
    trainer: Trainer,
    strategy: Strategy,
    optimizer: PhaseOptimizer,
    phase: Phase,
    taught: Ensemble | None,
    keys: Key[Array, " models"],
    data: Arrays,
    members: Int[Array, "models members"],
    before: Variables | None,
) -> TrainState:
    """`Trainer.start` for each model of a group."""
    axis = None if before is None else 0
    return strategy.over_models(Trainer.start, (None, None, None, None, 0, None, 0, axis))(
        trainer, optimizer, phase, taught, keys, data, members, before
    )


@partial(jax.jit, static_argnums=1, donate_argnums=4)
def epoch_of_group(
    trainer: Trainer,
    strategy: Strategy,
    optimizer: PhaseOptimizer,
    phase: Phase,
    state: TrainState,
    data: Arrays,
    members: Int[Array, "models members"],
    keys: Key[Array, " models"],
    number: Int[Array, ""],
    within: Int[Array, ""],
) -> tuple[TrainState, Float[Array, " models"]]:
    """`Trainer.epoch` for each model of a group; the memory of the state given is used again."""
    return strategy.over_models(Trainer.epoch, (None, None, None, 0, None, 0, 0, None, None))(
        trainer, optimizer, phase, state, data, members, keys, number, within
    )
