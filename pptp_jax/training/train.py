"""Training one model: pure functions of a key, the data and the model's own members."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from pptp_jax.models import Model, Variables
from pptp_jax.objectives import Context, CrossEntropy, Objective
from pptp_jax.regions import RegionMap
from pptp_jax.training.arrays import Arrays
from pptp_jax.training.gradients import Loss, gradients
from pptp_jax.training.optimizer import SGD
from pptp_jax.training.recipe import Phase, Recipe
from pptp_jax.transforms import apply_to_region, freeze_region, rewind_region
from pptp_jax.validation import at_least

Optimizer = SGD | Callable[[int | Int[Array, ""]], optax.GradientTransformation]


class TrainState(NamedTuple):
    """What training carries from step to step."""

    variables: Variables
    opt_state: Any


class Metrics(NamedTuple):
    """What is known of a training besides its result.

    Attributes:
        loss: the mean cross-entropy over each epoch's batches.
        finite: whether every parameter and loss stayed finite.
    """

    loss: Float[Array, " epochs"]
    finite: Bool[Array, ""]


@dataclass(frozen=True)
class Trainer:
    """The two pure functions that training is made of, for one model under one optimiser.

    Hashable, and equal for recipes that share a model and a region map: a fleet compiles `start`
    and `epoch` once for all phases of the same structure, whatever their lengths and strengths.
    """

    model: Model
    regions: RegionMap | None
    batch_size: int

    def start(
        self,
        optimizer: Optimizer,
        phase: Phase,
        key: Key[Array, ""],
        data: Arrays,
        state: TrainState | None,
    ) -> TrainState:
        """The state as a phase begins: rewound where it says so, with a fresh optimiser state."""
        initial = self.model.init(jax.random.fold_in(key, 0), data.inputs(slice(0, 1)))
        variables = initial if state is None else state.variables
        for label in phase.rewound:
            assert self.regions is not None  # a recipe that names regions has them
            params = rewind_region(variables.params, initial.params, self.regions, label)
            variables = variables._replace(params=params)
        tx = self._transform(optimizer, phase, jnp.int32(1))
        return TrainState(variables, tx.init(variables.params))

    def epoch(
        self,
        optimizer: Optimizer,
        phase: Phase,
        state: TrainState,
        data: Arrays,
        members: Int[Array, " members"],
        key: Key[Array, ""],
        number: Int[Array, ""],
        within: Int[Array, ""],
    ) -> tuple[TrainState, Float[Array, ""]]:
        """One pass over the members in a new order; the last, smaller batch is left out.

        Args:
            optimizer: makes the transform, given the number of steps of the schedule.
            phase: the rules.
            state: where training stands.
            data: the data set.
            members: the rows that this model trains on.
            key: the model's own key, the same in every epoch.
            number: the number of the epoch in the whole recipe, from 0; the randomness depends on
                it.
            within: the number of the epoch in its phase; the objectives depend on it.

        Returns:
            The new state and the mean cross-entropy of the epoch's batches.
        """
        steps = len(members) // self.batch_size
        tx = self._transform(optimizer, phase, phase.epochs * steps)
        labels = None if self.regions is None else self.regions.labels(state.variables.params)
        shuffle, noise = jax.random.split(jax.random.fold_in(key, number + 1))
        order = jax.random.permutation(shuffle, members)
        batches = order[: steps * self.batch_size].reshape(steps, self.batch_size)

        def step(
            state: TrainState, drawn: tuple[Int[Array, " batch"], Int[Array, ""]]
        ) -> tuple[TrainState, Float[Array, ""]]:
            rows, count = drawn
            x, y = data.inputs(rows), data.y[rows]
            (params, model_state), opt_state = state

            def forward(params: Any) -> tuple[Array, Any]:
                dropout = jax.random.fold_in(noise, count)
                return self.model.apply(params, model_state, x, train=True, key=dropout)

            context = Context(epoch=within)

            def loss_of(objective: Objective) -> Loss:
                return lambda logits: objective(logits, y, context)

            losses = jax.tree.map(
                loss_of, phase.objectives, is_leaf=lambda part: isinstance(part, Objective)
            )
            grads, logits, model_state = gradients(forward, params, losses, labels)
            loss = CrossEntropy()(logits, y)
            updates, opt_state = tx.update(grads, opt_state, params)
            params = optax.apply_updates(params, updates)
            return TrainState(Variables(params, model_state), opt_state), loss

        state, losses = jax.lax.scan(step, state, (batches, jnp.arange(steps)))
        return state, losses.mean()

    def _transform(
        self, optimizer: Optimizer, phase: Phase, steps: int | Int[Array, ""]
    ) -> optax.GradientTransformationExtraArgs:
        tx = optimizer(steps)
        if not phase.frozen:
            return optax.with_extra_args_support(tx)
        assert self.regions is not None  # a recipe that names regions has them
        trained = [label for label in self.regions.names if label not in phase.frozen]
        return optax.chain(
            *(apply_to_region(tx, self.regions, label) for label in trained),
            *(freeze_region(self.regions, label) for label in phase.frozen),
        )


def check_members(members: int, batch_size: int) -> None:
    """Refuses a batch that the members of a model cannot fill.

    Raises:
        ValueError: naming both numbers.

    Examples:
        >>> check_members(30, batch_size=64)
        Traceback (most recent call last):
            ...
        ValueError: a model has 30 members, too few for one batch of 64: ...
    """
    at_least(1, batch_size=batch_size)
    if members < batch_size:
        raise ValueError(
            f"a model has {members} members, too few for one batch of {batch_size}: "
            "give more examples or a smaller batch_size"
        )


def all_finite(variables: Variables, losses: Float[Array, " epochs"]) -> Bool[Array, ""]:
    """Whether no parameter, statistic or loss is NaN or infinite."""
    leaves = [losses, *jax.tree.leaves(variables)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()


def make_train(
    model: Model, recipe: Recipe, optimizer: Optimizer | None = None, *, batch_size: int = 64
) -> Callable[[Key[Array, ""], Arrays, Int[Array, " members"]], tuple[Variables, Metrics]]:
    """The training of one model by a recipe, as one pure function.

    Args:
        model: what is trained.
        recipe: how.
        optimizer: makes an optax transform from the number of steps of a phase's schedule; None is
            `SGD()`.
        batch_size: the members in a step.

    Returns:
        `train(key, data, indices) -> (variables, metrics)`, to be jitted, and mapped over keys and
        indices (members,).

    Raises:
        ValueError: if the recipe's region does not fit the model.

    Examples:
        >>> from pptp_jax import data, models
        >>> digits = Arrays.of(data.Digits().load())
        >>> model = models.mlp([16], num_classes=10)
        >>> from pptp_jax.training import undefended
        >>> train = jax.jit(make_train(model, undefended(epochs=2)))
        >>> variables, metrics = train(jax.random.key(0), digits, jnp.arange(640))
        >>> metrics.loss.shape, bool(metrics.finite)
        ((2,), True)
    """
    optimizer = SGD() if optimizer is None else optimizer
    trainer = Trainer(model, recipe.regions(model), batch_size)

    def train(
        key: Key[Array, ""], data: Arrays, indices: Int[Array, " members"]
    ) -> tuple[Variables, Metrics]:
        check_members(len(indices), batch_size)
        state: TrainState | None = None
        losses, begun = [], 0
        for phase in recipe.phases:

            def one(
                state: TrainState, within: Int[Array, ""], phase: Phase = phase, begun: int = begun
            ) -> tuple[TrainState, Float[Array, ""]]:
                number = begun + within
                return trainer.epoch(optimizer, phase, state, data, indices, key, number, within)

            start = trainer.start(optimizer, phase, key, data, state)
            ended, loss = jax.lax.scan(one, start, jnp.arange(phase.epochs))
            state = ended
            losses.append(loss)
            begun += int(phase.epochs)
        assert state is not None  # a recipe has at least one phase
        history = jnp.concatenate(losses)
        return state.variables, Metrics(history, all_finite(state.variables, history))

    return train
