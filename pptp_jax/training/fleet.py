"""Fleets: models of one recipe that differ only in key and members, trained side by side."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jaxtyping import Array, Bool, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables
from pptp_jax.training.checkpoint import Checkpoint
from pptp_jax.training.checks import check_members, check_private, check_reference
from pptp_jax.training.group import epoch_of_group, start_group
from pptp_jax.training.grouping import chunks, fitting_chunk
from pptp_jax.training.mesh import check_shares
from pptp_jax.training.optimizer import SGD, Optimizer
from pptp_jax.training.recipe import Recipe
from pptp_jax.training.state import TrainState
from pptp_jax.training.strategy import Strategy, usual_strategy
from pptp_jax.training.train import all_finite
from pptp_jax.training.trainer import Trainer


class Progress(NamedTuple):
    """How far a fleet is.

    Attributes:
        models: the models whose training has ended.
        training: the models that are being trained.
        epoch: the epochs that these have behind them.
        loss: their mean cross-entropy in the last epoch.
    """

    models: int
    training: int
    epoch: int
    loss: float


OnProgress = Callable[[Recipe, Progress], None]
Observer = Callable[[tuple[int, ...], int, Variables], None]


class Trained(NamedTuple):
    """Some models of a fleet, stacked along a leading axis.

    Attributes:
        models: which ones.
        variables: their parameters and state.
        loss: each one's mean cross-entropy over the batches of each epoch.
        finite: whether each one stayed finite; one that did not has diverged.
    """

    models: tuple[int, ...]
    variables: Variables
    loss: Float[np.ndarray, "models epochs"]
    finite: Bool[np.ndarray, " models"]


def train_fleet(
    model: Model,
    recipe: Recipe,
    data: Arrays,
    indices: Int[np.ndarray, "models members"],
    *,
    optimizer: Optimizer | None = None,
    batch_size: int = 64,
    seed: int = 0,
    groups: list[tuple[int, ...]] | None = None,
    strategy: Strategy | None = None,
    width: int | None = None,
    checkpoint: Callable[[tuple[int, ...]], Checkpoint] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    observe: Observer | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Trained]:
    """Trains models side by side, a group at a time, and yields each group as it ends.

    A group runs epoch by epoch: the mapped epoch is one compiled program for every phase of the
    same structure, whatever its length and strengths, and between epochs there is time to report,
    to save and to stop. A smaller group is filled up with copies, so that it is the same program.
    Model `i` draws from `fold_in(key(seed), i)` alone, so it comes out the same, up to rounding, in
    whatever group and by whatever strategy it is trained, and as `make_train` would have it.

    Args:
        model: what is trained.
        recipe: how.
        data: the data set, shared by all.
        indices: each model's members; those of `absent_rows` keep a place and give no gradient.
        optimizer: makes an optax transform from the number of steps of a phase's schedule; None is
            `SGD()`.
        batch_size: the members in a step.
        seed: what all keys derive from.
        groups: the models in groups; None puts as many together as fit the device's memory.
        strategy: how a group is worked off; None is `usual_strategy()`.
        width: the number of models that every group is filled up to; None is that of the largest.
        checkpoint: where a group keeps its state on the way, process 0 alone where processes train
            together; None keeps none.
        on_progress: is told after each epoch.
        observe: is shown the group, the epochs behind it and its networks after each epoch, before
            the state is saved; not while an ensemble stands in their place. What it keeps it must
            copy: the next epoch reuses the memory.
        stop: whether to stop, asked after each epoch; the word of one process is enough.

    Yields:
        The groups in order. Only the last one is held in memory.

    Raises:
        ValueError: if the recipe does not fit the model or the data.
        KeyboardInterrupt: if `stop` says so, when the state has been saved.

    Examples:
        >>> from pptp_jax import data, models
        >>> from pptp_jax.training import undefended
        >>> digits = Arrays.of(data.Digits().load())
        >>> model = models.mlp([16], num_classes=10)
        >>> indices = np.arange(256).reshape(2, 128)
        >>> [fleet] = train_fleet(model, undefended(epochs=3), digits, indices)
        >>> fleet.loss.shape, fleet.finite.tolist()
        ((2, 3), [True, True])
    """
    check_members(recipe, indices.shape[1], batch_size)
    check_reference(recipe, len(data.reference), batch_size)
    check_private(recipe, model, data.inputs(slice(0, 1)))
    places = bool((indices < 0).any())
    trainer = Trainer(model, recipe.regions(model), batch_size, places)
    rule = SGD() if optimizer is None else optimizer
    if not isinstance(rule, SGD):
        rule = jax.tree_util.Partial(rule)
    strategy = usual_strategy() if strategy is None else strategy
    check_shares(strategy.data_devices, batch_size)
    if groups is None:
        size = fitting_chunk(model, data, batch_size, len(indices), recipe.networks, strategy)
        groups = chunks(len(indices), size)
    width = strategy.filled(max([width or 0, *map(len, groups)]))
    data = strategy.place(data, None)
    ended = 0
    for group in groups:

        def told(
            epoch: int, loss: float, group: tuple[int, ...] = group, ended: int = ended
        ) -> None:
            if on_progress is not None:
                on_progress(Progress(ended, len(group), epoch, loss))

        fleet = _Fleet(trainer, strategy, rule, recipe, data, width)
        state, losses = _train_group(
            fleet,
            jnp.asarray(indices[list(group)]),
            jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(jnp.array(group)),
            None if checkpoint is None else checkpoint(group),
            told,
            None if observe is None else partial(observe, group),
            stop,
        )
        finite = jax.vmap(all_finite)(state.variables, losses)
        yield Trained(group, state.variables, np.asarray(losses), np.asarray(finite))
        ended += len(group)


class _Fleet(NamedTuple):
    """What all groups of a fleet have in common."""

    trainer: Trainer
    strategy: Strategy
    optimizer: Optimizer
    recipe: Recipe
    data: Arrays
    width: int

    @property
    def rules(self) -> tuple[Trainer, Strategy, Optimizer]:
        """What the mapped functions take first."""
        return self.trainer, self.strategy, self.optimizer

    def filled(self, tree: Any) -> Any:
        """A group's arrays, with copies of its last model behind it where the group is small."""
        models = len(jax.tree.leaves(tree)[0])
        if models < self.width:
            rows = np.minimum(np.arange(self.width), models - 1)
            tree = jax.tree.map(lambda leaf: leaf[rows], tree)
        return self.strategy.place(tree, 0)


def _train_group(
    fleet: _Fleet,
    members: Int[Array, "models members"],
    keys: Key[Array, " models"],
    checkpoint: Checkpoint | None,
    told: Callable[[int, float], None],
    observe: Callable[[int, Variables], None] | None,
    stop: Callable[[], bool],
) -> tuple[TrainState, Float[Array, "models epochs"]]:
    recipe, models = fleet.recipe, len(keys)
    ends = np.cumsum([phase.epochs for phase in recipe.phases])
    losses = jnp.zeros((models, int(ends[-1])))
    members, keys, losses = fleet.filled((members, keys, losses))

    def cut(tree: Any) -> Any:
        """Without the copies."""
        return tree if models == fleet.width else jax.tree.map(lambda leaf: leaf[:models], tree)

    def own(tree: Any) -> Any:
        return cut(fleet.strategy.here(tree))

    together = fleet.strategy.together
    number, state = 0, None
    if checkpoint is not None and (step := checkpoint.latest()) is not None:
        # The epochs before it have been trained; only the state's structure is needed.
        like = None
        for i in range(int(np.searchsorted(ends, step)) + 1):
            begin = partial(start_group, *fleet.rules, recipe.phases[i], recipe.taught(i))
            like = jax.eval_shape(begin, keys, fleet.data, members, like)
        shape = jax.eval_shape(cut, (like, losses))
        state, losses = fleet.filled(checkpoint.restore(step, shape))
        number = step
    while number < ends[-1]:
        current = int(np.searchsorted(ends, number, side="right"))
        phase = recipe.phases[current]
        within = number - int(ends[current] - phase.epochs)
        if within == 0:
            taught = recipe.taught(current)
            state = start_group(*fleet.rules, phase, taught, keys, fleet.data, members, state)
        state, loss = epoch_of_group(
            *fleet.rules, phase, state, fleet.data, members, keys, number, within
        )
        losses = losses.at[:, number].set(loss)
        number += 1
        if observe is not None and phase.ensemble is None:
            observe(number, own(state.variables))
        loss = own(loss)
        told(number, float(jnp.nanmean(loss)) if jnp.isfinite(loss).any() else math.nan)
        stopping = bool(process_allgather(np.array(stop())).any()) if together else stop()
        if checkpoint is not None and not (together and jax.process_index()):
            checkpoint.save(number, own((state, losses)), now=stopping)
        if stopping:
            raise KeyboardInterrupt
    assert state is not None  # a recipe trains for at least one epoch
    return own((state, losses))
