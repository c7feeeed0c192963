"""Fleets: models of one recipe that differ only in key and members, trained side by side."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jaxtyping import Array, Bool, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables
from pptp_jax.training.batched_programs import GroupRules, are_finite, epoch_of_group, start_group
from pptp_jax.training.checks import (
    check_clients,
    check_devices,
    check_members,
    check_model,
    check_optimizer,
    check_reference,
)
from pptp_jax.training.execution import Branch, Execution, Progress
from pptp_jax.training.memory import chunks, fitting_chunk
from pptp_jax.training.movement import check_moved, sums
from pptp_jax.training.optimizer import Optimizer, PhaseOptimizer, phase_optimizer
from pptp_jax.training.phase import Phase
from pptp_jax.training.recipe import Recipe
from pptp_jax.training.restoration import Kept, on_host
from pptp_jax.training.state import TrainState
from pptp_jax.training.strategy import Strategy, usual_strategy
from pptp_jax.training.trainer import Trainer


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
    execution: Execution = Execution(),  # noqa: B008 - frozen
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
        optimizer: an `SGD` or `AdamW`, an optax transform, or a function from the number of
            steps of a phase's schedule to one; None is `SGD()`.
        batch_size: the members in a step.
        seed: what all keys derive from.
        execution: groups, checkpoints and callbacks.

    Yields:
        The groups in order. Only the last one is held in memory.

    Raises:
        ValueError: if the recipe does not fit the model or the data, or a parameter that a phase
            trains cannot move.
        KeyboardInterrupt: if the execution says stop, when the state has been saved.

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
    rule = phase_optimizer(optimizer)
    check_optimizer(recipe, rule)
    check_members(recipe, indices.shape[1], batch_size)
    check_clients(recipe, indices)
    check_reference(recipe, len(data.reference), batch_size)
    check_model(recipe, model, data.inputs(slice(0, 1)))
    places = bool((indices < 0).any())
    trainer = Trainer(model, recipe.regions(model), batch_size, places)
    strategy = usual_strategy() if execution.strategy is None else execution.strategy
    check_devices(recipe, strategy.data_devices, batch_size)
    groups = execution.groups
    if groups is None:
        most = recipe.places(indices.shape[1], batch_size)
        size = fitting_chunk(model, data, most, len(indices), recipe.networks, strategy)
        groups = chunks(len(indices), size)
    width = strategy.filled(max([execution.width or 0, *map(len, groups)]))
    trainer, data = strategy.place((trainer, data), None)
    fleet = _Fleet(trainer, strategy, rule, recipe, data, width, execution)
    keys_of = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))
    ended = 0
    for group in groups:
        own = _Group(
            fleet, group, ended, jnp.asarray(indices[list(group)]), keys_of(jnp.array(group))
        )
        variables, losses = own.trained()
        finite = np.asarray(are_finite(variables, losses))
        yield Trained(group, variables, np.asarray(losses), finite)
        ended += len(group)


class _Fleet(NamedTuple):
    """The parts that all groups of a fleet share."""

    trainer: Trainer
    strategy: Strategy
    optimizer: PhaseOptimizer
    recipe: Recipe
    data: Arrays
    width: int
    execution: Execution

    @property
    def rules(self) -> GroupRules:
        """The rules of a group's training."""
        return GroupRules(self.trainer, self.optimizer, self.strategy)

    @property
    def ends(self) -> Int[np.ndarray, " phases"]:
        """The epochs behind each phase."""
        return np.cumsum([int(phase.epochs) for phase in self.recipe.phases])


class _Group(NamedTuple):
    """Some models of a fleet that are trained side by side."""

    fleet: _Fleet
    models: tuple[int, ...]
    before: int
    members: Int[Array, "models members"]
    keys: Key[Array, " models"]

    def trained(self) -> tuple[Variables, Float[Array, "models epochs"]]:
        """The networks and losses at the end of the recipe."""
        fleet, execution, ends = self.fleet, self.fleet.execution, self.fleet.ends
        members, keys = self._filled((self.members, self.keys))
        number, variables, state, losses, kept = self._begun(members, keys)
        begun = None
        while number < ends[-1]:
            current = int(np.searchsorted(ends, number, side="right"))
            phase = fleet.recipe.phases[current]
            within = number - int(ends[current] - phase.epochs)
            if within == 0:
                taught = fleet.recipe.taught(current)
                if state is not None:
                    # Only the networks are needed any more: the rest makes room for the new state.
                    fork = fleet.recipe.phases[current - 1].fork
                    variables, state = state.left(fork, axis=1), None
                earlier = tuple(self._filled(kept[part.after]) for part in phase.restored)
                state = start_group(
                    fleet.rules, phase, taught, keys, fleet.data, members, variables, earlier
                )
                variables, earlier = None, ()
                if phase.ensemble is None:
                    begun = sums(self._own(state.variables.params))
            state, loss = epoch_of_group(
                fleet.rules, phase, state, fleet.data, members, keys, number, within
            )
            losses = losses.at[:, number].set(loss)
            number += 1
            kept = self._kept(kept, number, phase, state)
            if phase.ensemble is None:
                execution.on_epoch(self.models, number, self._own(state.left(phase.fork, axis=1)))
            if number == ends[current] and begun is not None:
                self._check_moved(phase, begun, state)
                begun = None
            if number in ends or number in execution.branch_after:
                ended = state.left(phase.fork, axis=1)
                left = Branch(current + 1, *self._own((ended, losses[:, :number])))
                execution.on_phase(self.models, left)
                del ended, left  # they would hold these networks as long as the next phase lasts
            self._tell(number, loss)
            self._save(number, state, losses, kept)
        if state is not None:
            variables = state.left(fleet.recipe.phases[-1].fork, axis=1)
        return self._own((variables, losses))

    def _check_moved(self, phase: Phase, begun: list[Any], state: TrainState) -> None:
        params, x = self._own(state.variables.params), self.fleet.data.batch_shape()
        check_moved(self.fleet.rules, phase, begun, params, x)

    def _begun(
        self, members: Int[Array, "models members"], keys: Key[Array, " models"]
    ) -> tuple[int, Variables | None, TrainState | None, Float[Array, "models epochs"], Kept]:
        """The finished epochs of a group, and their result: a state, networks, or nothing."""
        fleet, ends = self.fleet, self.fleet.ends
        phases = fleet.recipe.phases
        [losses] = self._filled([jnp.zeros((len(self.models), int(ends[-1])))])
        saved = fleet.execution.checkpoint
        checkpoint = None if saved is None else saved(self.models)
        if checkpoint is not None and (step := checkpoint.latest()) is not None:
            # The epochs before it have been trained; only the state's structure is needed.
            like: TrainState | None = None
            for i in range(int(np.searchsorted(ends, step)) + 1):
                begin = partial(start_group, fleet.rules, phases[i], fleet.recipe.taught(i))
                own = None if like is None else _left_shape(phases[i - 1], like)
                given = keys, fleet.data, members, own, (own,) * len(phases[i].restored)
                like = jax.eval_shape(begin, *given)
            assert like is not None  # a recipe has at least one phase
            wanted = fleet.recipe.kept(step)
            earlier = (_left_shape(phases[i], like),) * len(wanted)
            # A recipe that keeps nothing has states as they were before any did.
            shape = jax.eval_shape(self._cut, (like, losses, earlier)[: 3 if wanted else 2])
            state, losses, *found = checkpoint.restore(step, shape)
            state, losses = self._filled((state, losses))
            return step, None, state, losses, on_host(wanted, *found)
        branch = fleet.execution.start(self.models)
        if branch is None:
            return 0, None, None, losses, {}
        number = int(ends[branch.phases - 1]) if branch.phases else 0
        variables, behind = self._filled((branch.variables, jnp.asarray(branch.losses)))
        kept = on_host(fleet.recipe.kept(number), branch.kept)
        return number, variables, None, losses.at[:, :number].set(behind), kept

    def _kept(self, kept: Kept, number: int, phase: Phase, state: TrainState) -> Kept:
        """The networks that a later phase takes a region from."""
        wanted = self.fleet.recipe.kept(number)
        found = {epochs: kept[epochs] for epochs in wanted if epochs != number}
        if number in wanted:
            found |= on_host((number,), (self._own(state.left(phase.fork, axis=1)),))
        return found

    def _filled(self, tree: Any) -> Any:
        """A group's arrays, with copies of its last model behind it where the group is small."""
        models = len(jax.tree.leaves(tree)[0])
        if models < self.fleet.width:
            rows = np.minimum(np.arange(self.fleet.width), models - 1)
            tree = jax.tree.map(lambda leaf: leaf[rows], tree)
        return self.fleet.strategy.place(tree, 0)

    def _cut(self, tree: Any) -> Any:
        """Without the copies."""
        models = len(self.models)
        if models == self.fleet.width:
            return tree
        return jax.tree.map(lambda leaf: leaf[:models], tree)

    def _own(self, tree: Any) -> Any:
        return self._cut(self.fleet.strategy.here(tree))

    def _tell(self, number: int, loss: Float[Array, " models"]) -> None:
        loss = np.asarray(self._own(loss))
        mean = float(np.nanmean(loss)) if np.isfinite(loss).any() else math.nan
        self.fleet.execution.on_progress(Progress(self.before, len(self.models), number, mean))

    def _save(
        self, number: int, state: TrainState, losses: Float[Array, "models epochs"], kept: Kept
    ) -> None:
        """Saves the state where it is requested, and stops where that is.

        Raises:
            KeyboardInterrupt: if training is to stop, when the state has been saved.
        """
        execution, together = self.fleet.execution, self.fleet.strategy.together
        stopping = execution.stop()
        if together:
            stopping = bool(process_allgather(np.array(stopping)).any())
        if execution.checkpoint is not None and not (together and jax.process_index()):
            own = self._own((state, losses))
            if kept:
                own = (*own, tuple(kept.values()))
            execution.checkpoint(self.models).save(number, own, now=stopping)
        if stopping:
            raise KeyboardInterrupt


def _left_shape(phase: Phase, like: TrainState) -> Variables:
    """The shapes of a phase's result, given those of its state."""
    return jax.eval_shape(partial(TrainState.left, fork=phase.fork, axis=1), like)
