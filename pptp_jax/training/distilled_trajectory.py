"""A loss trajectory without checkpoints: query a distilled student after each epoch.

References:
    Liu et al., "Membership Inference Attacks by Exploiting Loss Trajectory", CCS 2022,
    https://arxiv.org/abs/2208.14933
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.objectives import Distillation
from pptp_jax.signals import SignalRequest, collect
from pptp_jax.signals.trajectories import DISTILLED_TRAJECTORY
from pptp_jax.tasks import Signal
from pptp_jax.training.beginnings import FromScratch
from pptp_jax.training.optimizer import Optimizer, PhaseOptimizer, phase_optimizer
from pptp_jax.training.phase import Phase
from pptp_jax.training.state import TrainState
from pptp_jax.training.strategy import usual_strategy
from pptp_jax.training.trainer import Trainer
from pptp_jax.validation import Refused, at_least

# No model of a fleet has a number as high, so that no student begins as a teacher has.
_STUDENT = 2**31 + 3


def distilled_trajectory(
    model: Model,
    teachers: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    key: Key[Array, ""],
    *,
    epochs: int = 10,
    optimizer: Optimizer | None = None,
    batch_size: int = 64,
) -> Float[Array, "models stops 1 rows"]:
    """φ of a student after each epoch of learning from a model's answers, then that model's own.

    For each model a network of the same kind learns, from its initial values, what the model
    answers on the reference examples, which no model has as members; labels are not looked at. All
    students begin alike and see the same batches, so that only their teachers differ.

    Args:
        model: the network, whose task has classes.
        teachers: the variables of some models, stacked.
        data: the examples, with the reference examples.
        rows: the queried examples.
        key: what initial values and batches derive from; the same for all models.
        epochs: how long each student learns.
        optimizer: that of the students, as `make_train` takes it.
        batch_size: the examples in a step; with fewer reference examples all of them.

    Returns:
        φ, (models, epochs + 1, 1, rows), the last stop that of the model itself.

    Raises:
        ValueError: if there are no reference examples, the task has no classes, or a number is out
            of its range.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> digits = Arrays.of(Digits().load(), range(100))
        >>> model = mlp([8], num_classes=10)
        >>> teachers = jax.vmap(model.init, in_axes=(0, None))(
        ...     jax.random.split(jax.random.key(0), 3), digits.inputs(slice(0, 1))
        ... )
        >>> found = distilled_trajectory(
        ...     model, teachers, digits, jnp.arange(20), jax.random.key(1), epochs=2
        ... )
        >>> found.shape
        (3, 3, 1, 20)
    """
    at_least(1, epochs=epochs, batch_size=batch_size)
    if not len(data.reference):
        raise Refused("students learn from reference examples, and there are none: set some aside")
    if not model.task.classes:
        raise Refused(
            f"a student learns probabilities of classes, the task {model.task.name} has none"
        )
    phase = Phase(
        epochs=epochs,
        objectives=Distillation(),
        start=(FromScratch(),),
        examples="reference",
    )
    trainer = Trainer(model, None, min(batch_size, len(data.reference)))
    own = jax.random.fold_in(key, _STUDENT)
    return _trajectories(
        epochs, trainer, phase_optimizer(optimizer), phase, teachers, data, rows, own
    )


@partial(jax.jit, static_argnums=0)
@full_float32
def _trajectories(
    epochs: int,
    trainer: Trainer,
    optimizer: PhaseOptimizer,
    phase: Phase,
    teachers: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    key: Key[Array, ""],
) -> Float[Array, "models stops 1 rows"]:
    model, nobody = trainer.model, jnp.arange(0)
    x, y = (jax.tree.map(lambda leaf: leaf[rows], own) for own in (data.x, data.y))
    queried = data._replace(x=x, y=y)
    [confidence] = (s for s in model.task.signals if s.name == "confidence")

    def confidence_of(variables: Variables) -> Float[Array, "1 rows"]:
        answers = model.answering(variables)
        found = collect(answers, queried, task=model.task, signals=(confidence,))
        return found[confidence.name]

    def of_model(teacher: Variables) -> Float[Array, "stops 1 rows"]:
        state = trainer.start(optimizer, phase, None, key, data, nobody, teacher)

        def epoch(
            state: TrainState, number: Int[Array, ""]
        ) -> tuple[TrainState, Float[Array, "1 rows"]]:
            state, _ = trainer.epoch(optimizer, phase, state, data, nobody, key, number, number)
            return state, confidence_of(state.left())

        _, students = jax.lax.scan(epoch, state, jnp.arange(epochs))
        return jnp.concatenate([students, confidence_of(teacher)[None]])

    return usual_strategy().over_models(of_model, (0,))(teachers)


def distilled_signal(
    *,
    epochs: int = 10,
    optimizer: Optimizer | None = None,
    batch_size: int = 64,
) -> Signal:
    """The signal `distilled_trajectory`, taken at the end of a training.

    Args:
        epochs: how long each student learns.
        optimizer: that of the students.
        batch_size: the examples in a step.

    Raises:
        ValueError: if a number is out of its range.

    Examples:
        >>> distilled_signal(epochs=4).settings["epochs"]
        4
    """
    at_least(1, epochs=epochs, batch_size=batch_size)

    def take(request: SignalRequest) -> Float[Array, "models stops 1 examples"]:
        return distilled_trajectory(
            request.model,
            request.fleet,
            request.data,
            request.rows,
            request.key,
            epochs=epochs,
            optimizer=optimizer,
            batch_size=batch_size,
        )

    settings = {
        "epochs": epochs,
        "optimizer": optimizer,
        "batch_size": batch_size,
    }
    return replace(DISTILLED_TRAJECTORY, take=take, settings=settings)
