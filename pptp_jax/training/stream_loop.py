"""Train one model on data that are read during training."""

from collections.abc import Generator
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.multihost_utils import process_allgather, sync_global_devices
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import Arrays, Dataset, Stream
from pptp_jax.models import Model, Variables
from pptp_jax.models.weights import checksum
from pptp_jax.training.checkpoint import Checkpoint
from pptp_jax.training.checks import (
    check_members,
    check_model,
    check_optimizer,
    check_reference,
    check_streamed,
)
from pptp_jax.training.mesh import DATA, check_shares
from pptp_jax.training.optimizer import Optimizer, phase_optimizer
from pptp_jax.training.recipe import Recipe
from pptp_jax.training.restoration import Kept, on_host
from pptp_jax.training.schedule import Position, StepPlan
from pptp_jax.training.state import TrainState
from pptp_jax.training.strategy import Strategy
from pptp_jax.training.stream_execution import StreamExecution, StreamProgress
from pptp_jax.training.stream_programs import (
    StreamRules,
    name_of_training,
    start_streamed,
    streamed_order,
    streamed_step,
)
from pptp_jax.training.train import Metrics, all_finite
from pptp_jax.training.trainer import Trainer
from pptp_jax.validation import Refused


def train_streamed(
    model: Model,
    recipe: Recipe,
    stream: Stream,
    members: Int[np.ndarray, " members"],
    *,
    key: Key[Array, ""],
    optimizer: Optimizer | None = None,
    batch_size: int = 64,
    execution: StreamExecution = StreamExecution(),  # noqa: B008 - frozen
) -> tuple[Variables, Metrics]:
    """Trains one model on data larger than memory, as `make_train` would, up to rounding.

    The examples come in the order in which they would come in memory. While the devices are at a
    step, the next batch is put beside it and those after it are read; no more than two batches
    are on the devices at once. Where processes share the model, each reads its part of every batch.

    Args:
        model: what is trained.
        recipe: how; none that looks at all members at once.
        stream: the data set, with its reference examples, and how it is read.
        members: the rows that the model may learn.
        key: what all randomness derives from.
        optimizer: an `SGD` or `AdamW`, an optax transform, or a function from the number of
            steps of a phase's schedule to one; None is `SGD()`.
        batch_size: the members in a step.
        execution: how it is spread over devices, kept and watched.

    Returns:
        The network, and what is known of its training.

    Raises:
        ValueError: if the recipe does not fit the model or the data, or cannot be streamed; while
            training, if an example is none that the model can take.
        KeyboardInterrupt: if the execution says stop, when the state has been saved.

    Examples:
        >>> from pptp_jax import data, models
        >>> from pptp_jax.training import undefended
        >>> digits = data.Digits().load()
        >>> stream = Stream(
        ...     name="digits",
        ...     source=list(zip(digits.x, digits.y, strict=True)),
        ...     num_classes=10,
        ...     scale=1 / 16,
        ... )
        >>> model = models.mlp([16], num_classes=10)
        >>> variables, metrics = train_streamed(
        ...     model, undefended(epochs=2), stream, np.arange(640), key=jax.random.key(0)
        ... )
        >>> metrics.loss.shape, bool(metrics.finite)
        ((2,), True)
    """
    members, reference = np.asarray(members), np.asarray(stream.reference, np.int32)
    check_streamed(recipe, model)
    check_members(recipe, len(members), batch_size)
    check_reference(recipe, len(reference), batch_size)
    check_shares(execution.data_devices, batch_size)
    _check_rows(stream, members=members, reference=reference)
    rule = phase_optimizer(optimizer)
    check_optimizer(recipe, rule)
    trainer = Trainer(model, recipe.regions(model), batch_size)
    strategy = Strategy(order="scan", data_devices=execution.data_devices)
    others = _others(stream, reference)
    check_model(recipe, model, others.inputs(slice(0, 1)))
    rules, checkpoint = StreamRules(trainer, rule), execution.checkpoint
    if checkpoint is not None:
        given: list[Any] = [stream.name, len(stream), members, reference]
        given.append(checksum(model.shared))
        checkpoint = checkpoint.within(name_of_training(rules, recipe.phases, key, others, given))
    course = StepPlan.of(recipe, members, reference, batch_size)
    training = _Training(rules, strategy, recipe, stream, others, key, course)
    done, state, losses, kept = training.begun(checkpoint)
    with closing(training.steps(done, state, losses, kept, execution.every)) as steps:
        for done, state in steps:
            place = course.at(done - 1)
            loss = float(losses[place.number])
            execution.on_progress(
                StreamProgress(place.number, place.step + 1, course.steps[place.phase], loss)
            )
            stopping = execution.stop()
            if strategy.together:
                stopping = bool(process_allgather(np.array(stopping)).any())
            if checkpoint is not None and not (strategy.together and jax.process_index()):
                own = strategy.here(state), jnp.asarray(losses)
                checkpoint.save(done, (*own, tuple(kept.values())) if kept else own, now=stopping)
            if stopping:
                if strategy.together:
                    sync_global_devices("saved")
                raise KeyboardInterrupt
    assert state is not None  # a recipe trains for at least one epoch
    variables = strategy.here(state.left())
    history = jnp.asarray(losses)
    return variables, Metrics(history, jax.jit(all_finite)(variables, history))


class _Training(NamedTuple):
    """The parts that all steps share."""

    rules: StreamRules
    strategy: Strategy
    recipe: Recipe
    stream: Stream
    others: Arrays
    key: Key[Array, ""]
    course: StepPlan

    def begun(
        self, checkpoint: Checkpoint | None
    ) -> tuple[int, TrainState | None, Float[np.ndarray, " epochs"], Kept]:
        """The steps behind a saved state, the state, the losses of the epochs, kept networks."""
        losses = np.zeros(sum(self.course.epochs), np.float32)
        done = None if checkpoint is None else checkpoint.latest()
        if self.strategy.together:
            seen = process_allgather(np.int32(done or 0))
            if (seen != seen[0]).any():
                raise Refused(
                    f"the processes see states of this training after {seen.tolist()} steps, each "
                    "its own: the directory of the checkpoint must be one that they share"
                )
        if checkpoint is None or done is None:
            return 0, None, losses, {}
        like = None  # the phases before have been trained; only the state's structure is needed
        for phase in self.recipe.phases[: int(np.searchsorted(self.course.ends, done)) + 1]:
            start = partial(start_streamed, self.rules, phase)
            before = None if like is None else like.left()
            earlier = (before,) * len(phase.restored)
            like = jax.eval_shape(start, self.key, self.others, before, earlier)
        assert like is not None  # a recipe has at least one phase
        place = self.course.at(done - 1)
        ended = place.step + 1 == self.course.steps[place.phase]
        wanted = self.recipe.kept(place.number + ended)
        shape: tuple[Any, ...] = like, jax.eval_shape(jnp.asarray, losses)
        if wanted:
            shape = *shape, (like.left(),) * len(wanted)
        state, means, *found = checkpoint.restore(done, shape)
        return done, self.strategy.place(state, None), np.array(means), on_host(wanted, *found)

    def steps(
        self,
        done: int,
        state: TrainState | None,
        losses: Float[np.ndarray, " epochs"],
        kept: Kept,
        every: int,
    ) -> Generator[tuple[int, TrainState]]:
        """Trains from a step on, and yields the steps behind and the state from time to time.

        Args:
            done: the steps behind.
            state: what they have left; None at the beginning.
            losses: the mean loss of each epoch, which is kept up to date.
            kept: the networks that a later phase takes a region from, kept up to date likewise.
            every: after how many steps, besides at the end of an epoch, it yields.
        """
        whole = self.rules.trainer, self.key, self.others
        trainer, key, others = self.strategy.place(whole, None)
        rules = self.rules._replace(trainer=trainer)
        mesh = None if self.strategy.data_devices == 1 else self.strategy.mesh()
        while done < self.course.ends[-1]:
            place = self.course.at(done)
            phase, steps = self.recipe.phases[place.phase], self.course.steps[place.phase]
            if place.within == place.step == 0:
                before = None if state is None else state.left()
                earlier = tuple(kept[part.after] for part in phase.restored)
                earlier = self.strategy.place(earlier, None)
                with _on(mesh):
                    state = start_streamed(rules, phase, key, others, before, earlier)
            pending = None  # the loss of a step that the devices may still be at
            with closing(self._batches(place, mesh)) as batches:
                for count, batch in enumerate(batches, place.step):
                    position = place._replace(step=count)
                    with _on(mesh):
                        state, loss = streamed_step(
                            rules, phase, state, others, batch, key, position, steps
                        )
                    if pending is not None:
                        _note(losses, place.number, count - 1, self.strategy.here(pending))
                    pending, done = loss, done + 1
                    if done % every == 0 or count + 1 == steps:
                        _note(losses, place.number, count, self.strategy.here(pending))
                        pending = None
                        if count + 1 == steps:
                            self._keep(kept, place.number + 1, state)
                        yield done, state

    def _keep(self, kept: Kept, epochs: int, state: TrainState) -> None:
        """Keeps the network after a number of epochs, and drops those no longer needed."""
        wanted = self.recipe.kept(epochs)
        for other in {*kept} - {*wanted}:
            del kept[other]
        if epochs in wanted:
            kept |= on_host((epochs,), (self.strategy.here(state.left()),))

    def _batches(self, place: Position, mesh: Mesh | None) -> Generator[tuple[Array, Array]]:
        """The batches of an epoch from a step on, on the devices; this process reads its share."""
        size = self.rules.trainer.batch_size
        share, put = np.arange(size), jax.device_put
        if mesh is not None:
            sharding = NamedSharding(mesh, PartitionSpec(DATA))
            parts = sharding.addressable_devices_indices_map((size,)).values()
            share = np.concatenate([share[part] for part in parts])
            share, put = np.unique(share), partial(jax.make_array_from_process_local_data, sharding)
        rows, phase = jnp.asarray(self.course.rows[place.phase]), self.recipe.phases[place.phase]
        order = np.asarray(streamed_order(self.rules.trainer, phase, rows, self.key, place.number))
        with closing(self.stream.batches(order[place.step :, share])) as batches:
            for x, y in batches:
                yield put(x), put(y)


def _on(mesh: Mesh | None) -> AbstractContextManager[Any]:
    """The devices on which a program runs, as a context."""
    return nullcontext() if mesh is None else jax.set_mesh(mesh)


def _note(
    losses: Float[np.ndarray, " epochs"], number: int, count: int, loss: Float[Array, ""]
) -> None:
    """Takes a step's loss, which is waited for, into the mean of its epoch."""
    with np.errstate(invalid="ignore"):  # of a network that has diverged
        losses[number] += (np.float32(loss) - losses[number]) / np.float32(count + 1)


def _others(stream: Stream, reference: Int[np.ndarray, " reference"]) -> Arrays:
    """The reference examples, behind the first example, which a model is begun with in memory."""
    x, y = stream.read(np.concatenate([[0], reference]))
    ids = np.arange(len(y)).astype(str)
    data = Dataset(stream.name, x, y, ids, stream.num_classes, stream.scale)
    return Arrays.of(data, np.arange(1, len(y)), stream.augmentation)


def _check_rows(stream: Stream, **rows: Int[np.ndarray, " rows"]) -> None:
    """Refuses rows that a stream does not have."""
    for name, given in rows.items():
        if len(given) and not 0 <= given.min() <= given.max() < len(stream):
            raise Refused(
                f"{name} must be rows from 0 to {len(stream) - 1}, of which {stream.name} has "
                f"{len(stream)}; they run from {given.min()} to {given.max()}"
            )
