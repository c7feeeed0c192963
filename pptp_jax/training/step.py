"""One step: one forward pass, each region's gradient, one update."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from pptp_jax.data import Arrays, absent_rows
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.models.products import products_in
from pptp_jax.objectives import Context, Objective, Reference
from pptp_jax.regions import RegionMap
from pptp_jax.tasks import Batch
from pptp_jax.tasks.batch import without_absent
from pptp_jax.training.forward import outputs_shape
from pptp_jax.training.gradient_canaries import GradientCanaries
from pptp_jax.training.gradient_rules import Private
from pptp_jax.training.gradients import Loss, gradients
from pptp_jax.training.mesh import on_every_device, over_data
from pptp_jax.training.phase import WHOLE, Phase
from pptp_jax.training.phase_transform import DERIVED, learning, private_clip
from pptp_jax.training.state import Memory, TrainState
from pptp_jax.transforms import clipped_grad


class _Examples(NamedTuple):
    """The examples of a step.

    Attributes:
        batch: the members; of the inputs, those of reference examples behind them.
        reference: the targets of the reference examples; None without any.
    """

    batch: Batch
    reference: Any

    @property
    def members(self) -> int:
        """How many of the examples are members; there are as many reference examples, if any."""
        return self.batch.size // (1 if self.reference is None else 2)


@dataclass(frozen=True)
class Step:
    """The step of a phase, within one of its epochs.

    Attributes:
        model: the trained model.
        regions: the recipe's regions.
        phase: the rules.
        tx: the transform of the gradients.
        data: where the batch's examples stand.
        others: where reference examples stand; the same, if all are in memory.
        epoch: the number of the epoch in its phase.
        places: whether rows may say that an example only keeps its place.
        canaries: the rows of a private phase whose gradient is known; None without any.
        of_present: whether gradients are means over the examples that are present: at clients.
    """

    model: Model
    regions: RegionMap | None
    phase: Phase
    tx: optax.GradientTransformationExtraArgs
    data: Arrays
    others: Arrays
    epoch: int | Int[Array, ""]
    places: bool = False
    canaries: GradientCanaries | None = None
    of_present: bool = False

    def __call__(
        self,
        state: TrainState,
        rows: Int[Array, " batch"] | slice,
        teacher: Any,
        key: Key[Array, ""],
        relative_norms: Float[Array, " batch"] | None = None,
    ) -> tuple[TrainState, Float[Array, ""]]:
        """The state after the step, and the batch's mean loss of the task before it.

        Args:
            state: where training stands.
            rows: where the batch's examples stand in the data; a slice takes them as they lie, on
                whatever devices. `absent_rows` says where an example only keeps its place.
            teacher: a teacher's answers for them; None without a teacher.
            key: what all randomness of the step derives from.
            relative_norms: what a private gradient keeps of each, over its `max_norm`.
        """
        noise, drawing, dropout = jax.random.split(key, 3)
        variables, opt_state, memory = state
        examples = self._examples(variables, rows, teacher, drawing)
        private = isinstance(self.phase.gradient, Private)
        take = partial(self._private, relative_norms) if private else self._plain
        with products_in(self.model.precision):  # also for derivatives of one's own
            grads, outputs, model_state = take(variables, memory, examples, dropout)
        if self.of_present and examples.batch.present is not None:
            count = jnp.maximum(examples.batch.present.sum(dtype=jnp.float32), 1.0)
            grads = jax.tree.map(lambda g: g * (examples.members / count).astype(g.dtype), grads)
        extra = {} if self.canaries is None else {"rows": rows}
        updates, opt_state = self.tx.update(grads, opt_state, variables.params, key=noise, **extra)
        params = optax.apply_updates(variables.params, updates)
        outputs = jax.lax.stop_gradient(outputs)
        learned = {
            label: objective.learn(*self._seen(outputs, memory, examples, label))
            for label, objective in self.phase.by_region.items()
        }
        own = jax.tree.map(lambda leaf: leaf[: examples.members], outputs)
        loss = _mean(self.model.task.losses(own, examples.batch), examples.batch.present)
        now, average = Variables(params, model_state), memory.average
        if self.phase.average is not None:
            assert average is not None
            average = average.after(self.phase.average, now, self.regions)
        state = TrainState(now, opt_state, memory._replace(objectives=learned, average=average))
        return on_every_device((state, loss))

    def _examples(
        self,
        variables: Variables,
        rows: Int[Array, " batch"] | slice,
        teacher: Any,
        key: Key[Array, ""],
    ) -> _Examples:
        drawing, mixing, augmenting = jax.random.split(key, 3)
        own, other = jax.random.split(augmenting)
        present, others = None, None
        if not isinstance(rows, slice):
            drawn: Int[Array, " batch"] = over_data(rows)
            if self.places:
                present = jnp.greater_equal(drawn, 0)
                drawn = jnp.where(present, drawn, absent_rows(drawn))
            rows = drawn
        x, targets = self.data.training_inputs(own, rows), self.data.targets(rows)
        seen = None
        if self.model.sees_rows or self.canaries is not None:
            assert not isinstance(rows, slice)  # `check_streamed`
            seen = rows
        batch = Batch(x, targets, teacher, present, seen)
        if self.phase.mixes:
            shapes = outputs_shape(self.model, variables, self.data)
            mixed = self.phase.by_region[WHOLE].mix(mixing, batch, shapes)
            batch = batch if mixed is None else mixed
        if self.phase.needs_reference:
            chosen = jax.random.choice(drawing, self.others.reference, (batch.size,))
            chosen = over_data(chosen)
            x = self.others.training_inputs(other, chosen)
            joined = jax.tree.map(lambda *parts: jnp.concatenate(parts), batch.inputs, x)
            batch, others = batch._replace(inputs=joined), self.others.targets(chosen)
            if batch.rows is not None:
                batch = batch._replace(rows=jnp.concatenate([batch.rows, chosen]))
        return over_data(_Examples(batch, others))

    def _plain(
        self, variables: Variables, memory: Memory, examples: _Examples, key: Key[Array, ""]
    ) -> tuple[Any, Any, Any]:
        """Each region's gradient of its own objective, the outputs, and the model's new state."""
        labels = None if self.regions is None else self.regions.labels(variables.params)
        train = learning(self.model, self.phase, labels)

        def forward(params: Any) -> tuple[Any, Any]:
            own = variables._replace(params=params)
            return self.model.task.outputs(self.model, own, examples.batch, train=train, key=key)

        def loss_of(label: str, objective: Objective) -> Loss:
            own = full_float32(objective)
            return lambda outputs: own(*self._seen(outputs, memory, examples, label))

        losses = {label: loss_of(label, part) for label, part in self.phase.by_region.items()}
        several = isinstance(self.phase.objectives, Mapping)
        return gradients(forward, variables.params, losses if several else losses[WHOLE], labels)

    def _private(
        self,
        relative_norms: Float[Array, " batch"] | None,
        variables: Variables,
        memory: Memory,
        examples: _Examples,
        key: Key[Array, ""],
    ) -> tuple[Any, Any, Any]:
        """The sum of the examples' clipped gradients, the outputs, and the model's state."""
        assert isinstance(self.phase.gradient, Private)
        task, batch = self.model.task, examples.batch
        clip = private_clip(self.phase, self.regions, task.blind)
        labels = clip.region_map.labels(variables.params)

        def loss(params: Any, example: tuple[Any, ...]) -> tuple[Array, Any]:
            one: Batch = jax.tree.map(lambda leaf: leaf[None], Batch(*example[:-1]))
            own = variables._replace(params=jax.tree.map(_without_derived, labels, params))
            outputs, _ = task.outputs(self.model, own, one, train=True, key=example[-1])
            alone = _Examples(one, None)
            objective = full_float32(self.phase.by_region[WHOLE])
            value = objective(*self._seen(outputs, memory, alone, WHOLE))
            if self.canaries is not None:
                assert one.rows is not None
                value = self.canaries.loss(params, one.rows[0], value)
            return value, jax.tree.map(lambda leaf: leaf[0], outputs)

        keys = jax.random.split(key, batch.size)
        total = clipped_grad(
            loss,
            clip,
            has_aux=True,
            microbatch_size=self.phase.gradient.microbatch_size,
        )
        grads, auxiliary = total(variables.params, (*batch, keys), batch.present, relative_norms)
        if DERIVED in clip.region_map.names:
            # As many losses as a batch has places, filled or not: that number is public.
            def derived(params: Any) -> Float[Array, ""]:
                own, drawing = variables._replace(params=params), jax.random.fold_in(key, 0)
                return task.blind_losses(self.model, own, batch.size, drawing).mean()

            grads = jax.tree.map(
                lambda label, total, own: own if label == DERIVED else total,
                labels,
                grads,
                jax.grad(derived)(variables.params),
            )
        return grads, auxiliary.aux, variables.state

    def _seen(
        self, outputs: Any, memory: Memory, examples: _Examples, label: str
    ) -> tuple[Any, Any, Context]:
        """The inputs of a region's objective from a batch."""
        batch, reference, count = examples.batch, None, examples.members
        own = jax.tree.map(lambda leaf: leaf[:count], outputs)
        if examples.reference is not None:
            others = jax.tree.map(lambda leaf: leaf[count:], outputs)
            reference = Reference(others, examples.reference)
        learned = memory.objectives[label]
        context = Context(self.epoch, batch.teacher, reference, learned, self.model.task)
        return without_absent(own, batch.present), batch.targets, context


def _without_derived(label: str, leaf: Array) -> Array:
    return jax.lax.stop_gradient(leaf) if label == DERIVED else leaf


def _mean(
    losses: Float[Array, " batch"], present: Bool[Array, " batch"] | None
) -> Float[Array, ""]:
    """The mean over the examples that are present; 0 where none is."""
    if present is None:
        return losses.mean()
    count = present.sum(dtype=losses.dtype)
    return jnp.where(present, losses, 0.0).sum() / jnp.maximum(count, 1.0)
