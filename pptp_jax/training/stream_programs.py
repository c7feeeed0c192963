"""The compiled programs of a streamed training: a phase's start and one step, and their name."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from pptp_jax.data import Arrays
from pptp_jax.models import Variables, full_float32
from pptp_jax.training.keys import noise_key
from pptp_jax.training.optimizer import PhaseOptimizer
from pptp_jax.training.phase import Phase
from pptp_jax.training.schedule import Position
from pptp_jax.training.state import TrainState
from pptp_jax.training.trainer import Trainer


class StreamRules(NamedTuple):
    """The rules by which a streamed training takes its steps.

    Attributes:
        trainer: how the model is trained.
        optimizer: makes the transform, given the number of steps of the schedule.
    """

    trainer: Trainer
    optimizer: PhaseOptimizer


@jax.jit
@full_float32
def start_streamed(
    rules: StreamRules,
    phase: Phase,
    key: Key[Array, ""],
    others: Arrays,
    before: Variables | None,
    earlier: tuple[Variables, ...] = (),
) -> TrainState:
    """`Trainer.start` of a phase that need not look at members."""
    none = jnp.arange(0)
    return rules.trainer.start(rules.optimizer, phase, None, key, others, none, before, earlier)


@jax.jit
def streamed_order(
    trainer: Trainer,
    phase: Phase,
    rows: Int[Array, " examples"],
    key: Key[Array, ""],
    number: Int[Array, ""],
) -> Int[Array, "steps batch"]:
    """The rows of an epoch's batches, in the order in which they come in memory, too."""
    return rows[trainer.order(phase, key, number, len(rows))]


@partial(jax.jit, donate_argnums=2)
@full_float32
def streamed_step(
    rules: StreamRules,
    phase: Phase,
    state: TrainState,
    others: Arrays,
    batch: tuple[Shaped[Array, "batch ..."], Int[Array, " batch"]],
    key: Key[Array, ""],
    position: Position,
    steps: Int[Array, ""],
) -> tuple[TrainState, Float[Array, ""]]:
    """One step of an epoch on a batch that lies where it is needed.

    Args:
        rules: how steps are taken.
        phase: the rules of the phase.
        state: where training stands; its memory is used again.
        others: the reference examples.
        batch: the inputs, as they are stored, and the labels.
        key: the model's own key.
        position: where the step stands in the recipe.
        steps: how many steps the epoch has.

    Returns:
        The new state, and the batch's mean cross-entropy before the step.
    """
    x, y = batch
    data, within = others._replace(x=x, y=y), position.within
    step = rules.trainer.step(rules.optimizer, phase, state, data, others, steps, within)
    noise = jax.random.fold_in(noise_key(key, position.number), position.step)
    return step(state, slice(None), None, noise)


def name_of_training(
    rules: StreamRules,
    phases: Sequence[Phase],
    key: Key[Array, ""],
    others: Arrays,
    given: Sequence[Any],
) -> str:
    """A hash of what a streamed training depends on: its programs, with every number, and more.

    Args:
        rules: how steps are taken.
        phases: those of the recipe.
        key: the model's own key.
        others: the reference examples.
        given: what is in no program.
    """
    digest = hashlib.sha256(np.asarray(jax.random.key_data(key)).tobytes())
    for part in given:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else str(part).encode())
    examples = jax.ShapeDtypeStruct((rules.trainer.batch_size,), jnp.int32)
    x = jax.eval_shape(lambda rows: others.x[rows], examples)
    state = None
    for phase in phases:
        if phase.restored:  # after which epochs is in no program
            digest.update(str([int(part.after) for part in phase.restored]).encode())

        def start(trainer: Trainer, *rest: Any, phase: Phase = phase) -> TrainState:
            return start_streamed(rules._replace(trainer=trainer), phase, *rest)

        def step(trainer: Trainer, *rest: Any, phase: Phase = phase) -> Any:
            return streamed_step(rules._replace(trainer=trainer), phase, *rest)

        left = None if state is None else state.left()
        begun = rules.trainer, key, others, left, (left,) * len(phase.restored)
        digest.update(jax.jit(start).lower(*begun).as_text().encode())
        state = jax.eval_shape(start, *begun)
        given_step = rules.trainer, state, others, (x, examples), key, Position(0, 0, 0, 0), 1
        digest.update(jax.jit(step).lower(*given_step).as_text().encode())
    return digest.hexdigest()[:16]
