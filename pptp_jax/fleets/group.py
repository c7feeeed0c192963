"""Train one group of a fleet, the unit of work that processes share."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from pptp_jax.fleets.layout import layout, reduced
from pptp_jax.fleets.plan import available, read_plan, working
from pptp_jax.fleets.shared_phases import Sharing, Trunk, leave
from pptp_jax.fleets.spec import FleetSpec, Runtime
from pptp_jax.models import Variables, full_float32
from pptp_jax.signals import Layout, SignalRequest, SignalStore
from pptp_jax.training import Branch, Checkpoint, Execution, Strategy, train_fleet

Stores = Mapping[int, SignalStore]


def layouts(spec: FleetSpec, key: str) -> dict[int, Layout]:
    """The layouts of a fleet's stores, by epoch.

    Args:
        spec: the fleet.
        key: its fingerprint.
    """
    return {epochs: layout(spec, key, epochs) for epochs in spec.ends}


def opened(place: Path, held: Mapping[int, Layout]) -> dict[int, SignalStore]:
    """The stores in a directory, by epoch.

    Args:
        place: the fleet's own directory, or a shard of it.
        held: what they hold.
    """
    return {epochs: SignalStore(place / f"after-{epochs}", own) for epochs, own in held.items()}


@dataclass(frozen=True, eq=False)
class PlannedFleet:
    """A fleet with its plan: what its groups share.

    Attributes:
        spec: the fleet.
        home: its own directory.
        plan: its groups, and their strategy.
        sharing: the phases that it has in common with other fleets.
    """

    spec: FleetSpec
    home: Path
    plan: Mapping[str, Any]
    sharing: Sharing

    @cached_property
    def strategy(self) -> Strategy:
        """The strategy by which this process trains a group."""
        return available(self.plan["strategy"])

    @cached_property
    def layouts(self) -> dict[int, Layout]:
        """The layouts of its stores."""
        return layouts(self.spec, self.plan["key"])

    @cached_property
    def take(self) -> Callable[..., dict[str, Shaped[Any, "..."]]]:
        """The signals that follow from the answers of one model; compiled once for all groups."""
        return jax.jit(partial(reduced, self.spec))


@dataclass(frozen=True, eq=False)
class GroupTraining:
    """The training of one group.

    Attributes:
        fleet: what it belongs to.
        number: which group it is.
        stores: where its signals go.
        runtime: what watches it, and stops it.
        before: the models that have been trained before it, for those who watch.
    """

    fleet: PlannedFleet
    number: int
    stores: Stores
    runtime: Runtime
    before: int = 0

    def train(self) -> None:
        """Trains the models, from their last checkpoint if there is one, and keeps their signals.

        Raises:
            KeyboardInterrupt: if the runtime says stop, when the state has been saved.
        """
        spec, runtime, plan = self.fleet.spec, self.runtime, self.fleet.plan
        saved = self.fleet.home / f"checkpoint-{self.number}"
        [ended] = train_fleet(
            spec.model,
            spec.recipe,
            spec.arrays,
            spec.members,
            optimizer=spec.optimizer,
            batch_size=spec.batch_size,
            seed=spec.seed,
            execution=Execution(
                groups=[tuple(plan["groups"][self.number])],
                strategy=self.fleet.strategy,
                width=plan["widths"][self.number],
                checkpoint=lambda _: Checkpoint(saved),
                start=self._begun_elsewhere,
                on_progress=lambda p: runtime.on_progress(
                    spec.recipe, p._replace(models=self.before)
                ),
                on_epoch=self._on_epoch,
                on_phase=self._on_phase,
                branch_after=self.fleet.sharing.left,
                stop=runtime.stop,
            ),
        )
        known = self._taken(ended.models, spec.ends[-1], ended.variables)
        known |= {"loss": ended.loss, "finite": ended.finite}
        self._keep(ended.models, spec.ends[-1], ended.variables, known)
        shutil.rmtree(saved, ignore_errors=True)

    def _on_epoch(self, group: tuple[int, ...], epochs: int, variables: Variables) -> None:
        if epochs in self.fleet.spec.ends[:-1]:
            self._keep(group, epochs, variables, self._taken(group, epochs, variables))

    def _on_phase(self, group: tuple[int, ...], branch: Branch) -> None:
        epochs = branch.losses.shape[1]
        if epochs in self.fleet.sharing.left and not self._silent:
            leave(self.fleet.home, epochs, group, branch)

    def _begun_elsewhere(self, group: tuple[int, ...]) -> Branch | None:
        """The networks of the same group in an earlier fleet, if both are trained alike."""
        own = working(self.fleet.plan)
        for trunk in self.fleet.sharing.trunks:
            stored = read_plan(trunk.home)
            branch = trunk.load(group) if working(stored) == own else None
            if branch is None or not self._taken_over(trunk, str(stored["key"]), group):
                continue
            phases = "first phase is that" if trunk.phases == 1 else "first phases are those"
            if trunk.goes_on:
                phases = f"first {trunk.epochs} epochs are those"
            self.runtime.log(
                f"{self.fleet.spec.recipe.slug}: models {group[0]} to {group[-1]}: the {phases} of "
                f"{trunk.spec.recipe.slug}, trained once"
            )
            return branch
        return None

    def _taken_over(self, trunk: Trunk, key: str, group: tuple[int, ...]) -> bool:
        """Copies the signals of shared stops; False if the earlier fleet lacks some of them."""
        for epochs in self.fleet.spec.ends[:-1]:
            if epochs > trunk.epochs or not self.stores[epochs].missing & {*group}:
                continue
            its = SignalStore(trunk.home / f"after-{epochs}", layout(trunk.spec, key, epochs))
            if its.missing & {*group}:
                return False
            if not self._silent:
                parts = self.stores[epochs].layout.parts
                arrays = {name: its.read_rows(name, group) for name in parts}
                self.stores[epochs].write(
                    (model, {name: array[place] for name, array in arrays.items()})
                    for place, model in enumerate(group)
                )
        return True

    @property
    def _silent(self) -> bool:
        """Whether another process writes the same signals."""
        return self.fleet.strategy.together and not self.runtime.processes.first

    @full_float32
    def _taken(
        self, models: tuple[int, ...], epochs: int, variables: Variables
    ) -> dict[str, Shaped[np.ndarray, "models ..."]]:
        """The signals that are taken of models themselves."""
        spec = self.fleet.spec
        key = jax.random.key(spec.seed)
        request = SignalRequest(spec.model, variables, models, spec.arrays, spec.rows, key)
        kept = spec.signals_at(epochs)
        return {s.name: np.asarray(s.take(request)) for s in kept if s.take is not None}

    def _keep(
        self,
        group: tuple[int, ...],
        epochs: int,
        variables: Variables,
        known: Mapping[str, Shaped[np.ndarray, "models ..."]],
    ) -> None:
        if self._silent:
            return
        spec, take = self.fleet.spec, self.fleet.take
        parts, queried = self.stores[epochs].layout.parts, spec.queried_arrays

        def row(place: int, model: int) -> tuple[int, dict[str, np.ndarray]]:
            seen = take(spec.model, variables, place, model, queried)
            found = {"finite": jnp.isfinite(seen["confidence"]).all(), **seen}
            found |= {name: of_group[place] for name, of_group in known.items()}
            return model, {name: np.asarray(found[name]) for name in parts}

        # A model at a time, so that the answers of one are in memory.
        self.stores[epochs].write(row(place, model) for place, model in enumerate(group))
