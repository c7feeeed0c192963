"""Training one model: pure functions of a key, the data and the model's own members."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.training.checks import check_members, check_model, check_optimizer, check_reference
from pptp_jax.training.optimizer import Optimizer, phase_optimizer
from pptp_jax.training.phase import Phase
from pptp_jax.training.recipe import Recipe
from pptp_jax.training.state import TrainState
from pptp_jax.training.trainer import Trainer


class Metrics(NamedTuple):
    """The metrics of a training.

    Attributes:
        loss: the mean cross-entropy over each epoch's batches.
        finite: whether every parameter and loss stayed finite.
    """

    loss: Float[Array, " epochs"]
    finite: Bool[Array, ""]


def all_finite(variables: Variables, losses: Float[Array, " epochs"]) -> Bool[Array, ""]:
    """Whether no parameter, statistic or loss is NaN or infinite."""
    leaves = [losses, *jax.tree.leaves(variables)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()


def make_train(
    model: Model,
    recipe: Recipe,
    optimizer: Optimizer | None = None,
    *,
    batch_size: int = 64,
    places: bool = False,
) -> Callable[[Key[Array, ""], Arrays, Int[Array, " members"]], tuple[Variables, Metrics]]:
    """The training of one model by a recipe, as one pure function.

    Args:
        model: what is trained.
        recipe: how.
        optimizer: an `SGD` or `AdamW`, an optax transform, or a function from the number of
            steps of a phase's schedule to one; None is `SGD()`.
        batch_size: the members in a step.
        places: whether some members may only keep their places in batches; see `absent_rows`.

    Returns:
        `train(key, data, indices) -> (variables, metrics)`, to be jitted, and mapped over keys and
        indices (members,).

    Raises:
        ValueError: if the recipe's region does not fit the model; from `train`, if the recipe does
            not fit the data.

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
    rule = phase_optimizer(optimizer)
    check_optimizer(recipe, rule)
    trainer = Trainer(model, recipe.regions(model), batch_size, places)

    @full_float32
    def train(
        key: Key[Array, ""], data: Arrays, indices: Int[Array, " members"]
    ) -> tuple[Variables, Metrics]:
        check_members(recipe, len(indices), batch_size)
        check_reference(recipe, len(data.reference), batch_size)
        check_model(recipe, model, data.inputs(slice(0, 1)))
        state: TrainState | None = None
        losses, begun = [], 0
        kept: dict[int, Variables] = {}
        for i, phase in enumerate(recipe.phases):

            def one(
                state: TrainState, within: Int[Array, ""], phase: Phase = phase, begun: int = begun
            ) -> tuple[TrainState, Float[Array, ""]]:
                number = begun + within
                return trainer.epoch(rule, phase, state, data, indices, key, number, within)

            taught = recipe.taught(i)
            before = None if state is None else state.left(recipe.phases[i - 1].fork)
            earlier = tuple(kept[part.after] for part in phase.restored)
            now = trainer.start(rule, phase, taught, key, data, indices, before, earlier)
            for within in _parts(recipe, phase, begun):
                now, loss = jax.lax.scan(one, now, within)
                losses.append(loss)
                begun += len(within)
                kept = {
                    epochs: kept[epochs] if epochs in kept else now.left(phase.fork)
                    for epochs in recipe.kept(begun)
                }
            state = now
        assert state is not None  # a recipe has at least one phase
        history = jnp.concatenate(losses)
        variables = state.left(recipe.phases[-1].fork)
        return variables, Metrics(history, all_finite(variables, history))

    return train


def _parts(recipe: Recipe, phase: Phase, begun: int) -> list[Int[Array, " epochs"]]:
    """The epochs of a phase in parts, each of which ends where a network is kept."""
    numbers, length = jnp.arange(phase.epochs), int(phase.epochs)
    cuts = [n for n in range(1, length) if begun + n in recipe.kept(begun + n)]
    if not cuts:
        return [numbers]
    return [numbers[start:end] for start, end in pairwise((0, *cuts, length))]
