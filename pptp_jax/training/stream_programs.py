"""The compiled programs of a streamed training: a phase's start and one step, and their name."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from pptp_jax.data import Arrays
from pptp_jax.models import Variables
from pptp_jax.training.keys import noise_key
from pptp_jax.training.optimizer import PhaseOptimizer
from pptp_jax.training.phase import Phase
from pptp_jax.training.state import TrainState
from pptp_jax.training.trainer import Trainer


@jax.jit
def start_streamed(
    trainer: Trainer,
    optimizer: PhaseOptimizer,
    phase: Phase,
    key: Key[Array, ""],
    others: Arrays,
    before: Variables | None,
) -> TrainState:
    """`Trainer.start` of a phase that need not look at members."""
    return trainer.start(optimizer, phase, None, key, others, jnp.arange(0), before)


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


@partial(jax.jit, donate_argnums=3)
def streamed_step(
    trainer: Trainer,
    optimizer: PhaseOptimizer,
    phase: Phase,
    state: TrainState,
    others: Arrays,
    x: Shaped[Array, "batch ..."],
    y: Int[Array, " batch"],
    key: Key[Array, ""],
    number: Int[Array, ""],
    within: Int[Array, ""],
    count: Int[Array, ""],
    steps: Int[Array, ""],
) -> tuple[TrainState, Float[Array, ""]]:
    """One step of an epoch on a batch that lies where it is needed.

    Args:
        trainer: how the model is trained.
        optimizer: makes the transform, given the number of steps of the schedule.
        phase: the rules.
        state: where training stands; its memory is used again.
        others: the reference examples.
        x: the batch's inputs, as they are stored.
        y: its labels.
        key: the model's own key.
        number: the number of the epoch in the whole recipe.
        within: the number of the epoch in its phase.
        count: the number of the step in its epoch.
        steps: how many steps the epoch has.

    Returns:
        The new state, and the batch's mean cross-entropy before the step.
    """
    step = trainer.step(optimizer, phase, state, others._replace(x=x, y=y), others, steps, within)
    noise = jax.random.fold_in(noise_key(key, number), count)
    return step(state, slice(None), None, noise)


def name_of_training(
    trainer: Trainer,
    optimizer: PhaseOptimizer,
    phases: Sequence[Phase],
    key: Key[Array, ""],
    others: Arrays,
    given: Sequence[Any],
) -> str:
    """A hash of what a streamed training depends on: its programs, with every number, and more.

    Args:
        trainer: how the model is trained.
        optimizer: makes the transform.
        phases: those of the recipe.
        key: the model's own key.
        others: the reference examples.
        given: what is in no program.
    """
    digest = hashlib.sha256(np.asarray(jax.random.key_data(key)).tobytes())
    for part in given:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else str(part).encode())
    examples = jax.ShapeDtypeStruct((trainer.batch_size,), jnp.int32)
    x = jax.eval_shape(lambda rows: others.x[rows], examples)
    state = None
    for phase in phases:

        def start(trainer: Trainer, *rest: Any, phase: Phase = phase) -> TrainState:
            return start_streamed(trainer, optimizer, phase, *rest)

        def step(trainer: Trainer, *rest: Any, phase: Phase = phase) -> Any:
            return streamed_step(trainer, optimizer, phase, *rest)

        begun = trainer, key, others, None if state is None else state.variables
        digest.update(jax.jit(start).lower(*begun).as_text().encode())
        state = jax.eval_shape(start, *begun)
        given_step = trainer, state, others, x, examples, key, 0, 0, 0, 1
        digest.update(jax.jit(step).lower(*given_step).as_text().encode())
    return digest.hexdigest()[:16]
