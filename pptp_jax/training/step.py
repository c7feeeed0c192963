"""One step: one forward pass, each region's gradient, one update."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables
from pptp_jax.objectives import Context, CrossEntropy, Objective, Reference
from pptp_jax.regions import RegionMap
from pptp_jax.training.gradients import Loss, gradients
from pptp_jax.training.mesh import on_every_device, over_data
from pptp_jax.training.phase import WHOLE, Phase
from pptp_jax.training.rules import learning, private_clip
from pptp_jax.training.state import Memory, TrainState
from pptp_jax.transforms import clipped_grad


class Batch(NamedTuple):
    """The examples of a step.

    Attributes:
        x: the inputs, those of reference examples last.
        labels: the classes without those of reference examples.
        soft: probabilities to learn instead of the labels; None without a teacher.
        reference: the classes of the reference examples; None without any.
    """

    x: Float[Array, "all ..."]
    labels: Int[Array, " batch"]
    soft: Float[Array, "batch classes"] | None
    reference: Int[Array, " batch"] | None


@dataclass(frozen=True)
class Step:
    """The step of a phase, within one of its epochs.

    Attributes:
        model: what is trained.
        regions: the recipe's regions.
        phase: the rules.
        tx: what becomes of the gradients.
        data: where the batch's examples stand.
        others: where reference examples stand; the same, if all are in memory.
        num_classes: the number of classes.
        epoch: the number of the epoch in its phase.
    """

    model: Model
    regions: RegionMap | None
    phase: Phase
    tx: optax.GradientTransformationExtraArgs
    data: Arrays
    others: Arrays
    num_classes: int
    epoch: Int[Array, ""]

    def __call__(
        self,
        state: TrainState,
        rows: Int[Array, " batch"] | slice,
        soft: Float[Array, "batch classes"] | None,
        key: Key[Array, ""],
    ) -> tuple[TrainState, Float[Array, ""]]:
        """The state after the step, and the batch's mean cross-entropy before it.

        Args:
            state: where training stands.
            rows: where the batch's examples stand in the data; a slice takes them as they lie, on
                whatever devices.
            soft: a teacher's probabilities for them; None without a teacher.
            key: what all randomness of the step derives from.
        """
        noise, drawing, dropout = jax.random.split(key, 3)
        variables, opt_state, memory = state
        batch = self._batch(rows, soft, drawing)
        take = self._plain if self.phase.private is None else self._private
        grads, logits, model_state = take(variables, memory, batch, dropout)
        updates, opt_state = self.tx.update(grads, opt_state, variables.params, key=noise)
        params = optax.apply_updates(variables.params, updates)
        logits = jax.lax.stop_gradient(logits)
        learned = {
            label: objective.learn(*self._seen(logits, memory, batch, label))
            for label, objective in self.phase.by_region.items()
        }
        loss = CrossEntropy()(logits[: len(batch.labels)], batch.labels)
        state = TrainState(
            Variables(params, model_state), opt_state, memory._replace(objectives=learned)
        )
        return on_every_device((state, loss))

    def _batch(
        self, rows: Int[Array, " batch"] | slice, soft: Array | None, key: Key[Array, ""]
    ) -> Batch:
        drawing, mixing, augmenting = jax.random.split(key, 3)
        own, other = jax.random.split(augmenting)
        rows = rows if isinstance(rows, slice) else over_data(rows)
        x, labels, others = self.data.training_inputs(own, rows), self.data.y[rows], None
        if self.phase.mixes:
            probabilities = jax.nn.one_hot(labels, self.num_classes) if soft is None else soft
            mixed = self.phase.by_region[WHOLE].mix(mixing, x, probabilities)
            x, soft = (x, soft) if mixed is None else mixed
        if self.phase.needs_reference:
            chosen = over_data(jax.random.choice(drawing, self.others.reference, labels.shape))
            x = jnp.concatenate([x, self.others.training_inputs(other, chosen)])
            others = self.others.y[chosen]
        return over_data(Batch(x, labels, soft, others))

    def _plain(
        self, variables: Variables, memory: Memory, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Any, Array, Any]:
        """Each region's gradient of its own objective, the logits, and the model's new state."""
        labels = None if self.regions is None else self.regions.labels(variables.params)
        train = learning(self.model, self.phase, labels)

        def forward(params: Any) -> tuple[Array, Any]:
            return self.model.apply(params, variables.state, batch.x, train=train, key=key)

        def loss_of(label: str, objective: Objective) -> Loss:
            return lambda logits: objective(*self._seen(logits, memory, batch, label))

        losses = {label: loss_of(label, part) for label, part in self.phase.by_region.items()}
        several = isinstance(self.phase.objectives, Mapping)
        return gradients(forward, variables.params, losses if several else losses[WHOLE], labels)

    def _private(
        self, variables: Variables, memory: Memory, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Any, Array, Any]:
        """The sum of the examples' clipped gradients, the logits, and the model's state."""
        assert self.phase.private is not None

        def loss(params: Any, example: tuple[Any, ...]) -> Array:
            one: Batch = jax.tree.map(lambda leaf: leaf[None], Batch(*example[:-1]))
            logits, _ = self.model.apply(
                params, variables.state, one.x, train=True, key=example[-1]
            )
            return self.phase.by_region[WHOLE](*self._seen(logits, memory, one, WHOLE))

        keys = jax.random.split(key, len(batch.labels))
        total = clipped_grad(
            loss,
            private_clip(self.phase, self.regions),
            microbatch_size=self.phase.private.microbatch_size,
        )
        logits, _ = self.model.apply(*variables, batch.x, train=False, key=None)
        return total(variables.params, (*batch, keys)), logits, variables.state

    def _seen(
        self, logits: Array, memory: Memory, batch: Batch, label: str
    ) -> tuple[Array, Array, Context]:
        """What the objective of a region gets to see of a batch."""
        own, others = jnp.split(logits, [len(batch.labels)])
        reference = None if batch.reference is None else Reference(others, batch.reference)
        return (
            own,
            batch.labels,
            Context(self.epoch, batch.soft, reference, memory.objectives[label]),
        )
