"""Running a fleet: trained once, its signals kept, and taken up where it stopped.

A fleet's directory has a store of signals for each stop (`after-3/` and so on) and for the end.
Only that of the end keeps what is large, such as logits: attacks that need more than the
confidence look at finished models alone.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from pptp_jax.fleets.fingerprint import fingerprint
from pptp_jax.fleets.layout import layout, reduced
from pptp_jax.fleets.plan import available, halved, planned, predicted, read_plan, working
from pptp_jax.fleets.shards import gather, shard
from pptp_jax.fleets.shared_phases import Sharing, Trunk, drop_branches, leave, plan_sharing
from pptp_jax.fleets.spec import FleetSpec, Runtime
from pptp_jax.fleets.stored_fleet import StoredFleet
from pptp_jax.models import Variables, full_float32
from pptp_jax.signals import SignalRequest, SignalStore
from pptp_jax.storage.units import size
from pptp_jax.training import Branch, Checkpoint, Execution, Strategy, Trained, train_fleet


def run_fleets(
    specs: Sequence[FleetSpec],
    homes: Sequence[Path],
    runtime: Runtime | None = None,
    *,
    keys: Sequence[str] | None = None,
) -> list[StoredFleet]:
    """Runs several fleets; phases that they begin with alike are trained once.

    Args:
        specs: the fleets, in the order in which they are trained.
        homes: a directory of its own for each.
        runtime: as for `run_fleet`.
        keys: their fingerprints, if they are known already.
    """
    runtime = Runtime() if runtime is None else runtime
    keys = [fingerprint(spec) for spec in specs] if keys is None else keys
    shared = plan_sharing(specs, homes)
    found = [
        run_fleet(spec, home, runtime, key=key, sharing=sharing)
        for spec, home, key, sharing in zip(specs, homes, keys, shared, strict=True)
    ]
    runtime.processes.wait()
    if runtime.processes.first:
        drop_branches(homes)
    return found


def run_fleet(
    spec: FleetSpec,
    home: Path,
    runtime: Runtime | None = None,
    *,
    key: str | None = None,
    sharing: Sharing = Sharing(),  # noqa: B008 - a tuple
) -> StoredFleet:
    """Trains a fleet, or reads as much of it as an earlier run has left.

    Models that were trained side by side are trained again side by side, where anything of one of
    them is missing or damaged: a network's last bits depend on its neighbours. Where the memory
    does not suffice, the groups that are not finished are halved; not where several processes share
    them, which ends them all.

    Args:
        spec: the fleet.
        home: the fleet's own directory. Process 0 writes into its stores, each other process into
            stores of its own, which process 0 gathers at the end, or at the beginning of the next
            run.
        runtime: how it is worked off; None works it off in this process, as usual.
        key: the fleet's fingerprint, if it is known already.
        sharing: the phases that it has in common with other fleets.

    Returns:
        The fleet by the epochs behind it. In other processes than process 0 what they have
        trained.

    Raises:
        KeyboardInterrupt: if the runtime says stop, when what is being trained has been saved.

    Examples:
        >>> import tempfile
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> data, members = Digits().load(), np.arange(128).reshape(2, 64)
        >>> model, recipe = mlp([8], num_classes=10), undefended(1)
        >>> spec = FleetSpec(model=model, recipe=recipe, data=data, members=members)
        >>> with tempfile.TemporaryDirectory() as home:
        ...     fleet = run_fleet(spec, Path(home))
        ...     list(fleet), fleet.end.utility.shape  # (models, examples)
        ([1], (2, 1797))
    """
    runtime = Runtime() if runtime is None else runtime
    run = _Run(spec, home, runtime, fingerprint(spec) if key is None else key, sharing)
    while (unfinished := run.train()) is not None:
        # What failed is let go by now, with the memory that it held.
        width = halved(home, run.plan, unfinished)
        runtime.log(
            f"{spec.recipe.slug}: the memory does not suffice; going on with {width} at a time"
        )
        run = _Run(spec, home, replace(runtime, resume=True), run.key, sharing)
    runtime.processes.wait()
    if runtime.processes.first:
        gather(home, run.stores)
    return StoredFleet(run.stores)


class _Run:
    """One attempt at a fleet, with the groups as they are planned."""

    def __init__(
        self, spec: FleetSpec, home: Path, runtime: Runtime, key: str, sharing: Sharing
    ) -> None:
        self.spec, self.home, self.runtime, self.key = spec, home, runtime, key
        self.sharing = sharing
        processes = runtime.processes
        agreed = processes.agree(self._begun)
        self.plan = agreed["plan"]
        self.strategy: Strategy = available(self.plan["strategy"])
        missing = agreed["missing"]
        self.missing: list[int] = missing if self.strategy.together else processes.share(missing)
        self.stores = self._opened(home if processes.first else shard(home, processes.index))
        self._take = jax.jit(partial(reduced, spec))

    def train(self) -> list[int] | None:
        """Trains what is missing; returns the groups for which the memory did not suffice."""
        unfinished = list(self.missing)
        if unfinished and self.runtime.processes.first:
            width = max(self.plan["widths"][i] for i in unfinished)
            need = size(predicted(self.spec, width, self.strategy))
            slug = self.spec.recipe.slug
            self.runtime.log(
                f"{slug}: {width} models at a time, predicted to need {need} and the data"
            )
        try:
            before = 0
            for i in self.missing:
                self._train_group(i, before)
                before += len(self.plan["groups"][i])
                unfinished.remove(i)
        except jax.errors.JaxRuntimeError as error:
            if self.runtime.processes.count > 1 or "RESOURCE_EXHAUSTED" not in str(error):
                raise
        return unfinished or None

    def _begun(self) -> dict[str, Any]:
        """The plan, and the groups of which something is missing; what is of no use goes."""
        home, count = self.home, self.runtime.processes.count
        if not self.runtime.resume:
            shutil.rmtree(home, ignore_errors=True)
        plan = planned(home, self.key, self.spec, self.runtime)
        stores = self._opened(home)
        gather(home, stores)
        for process in range(1, count):
            shard(home, process).mkdir(parents=True)
        missing = []
        for i, group in enumerate(plan["groups"]):
            lost = [epochs for epochs, store in stores.items() if store.missing & {*group}]
            saved = home / f"checkpoint-{i}"
            if lost:
                missing.append(i)
            # Of no use to a finished group; and past a lost stop no way leads back to it.
            end = self.spec.ends[-1]
            if not lost or (lost[0] != end and (Checkpoint(saved).latest() or 0) >= lost[0]):
                shutil.rmtree(saved, ignore_errors=True)
        return {"plan": plan, "missing": missing}

    def _opened(self, place: Path) -> dict[int, SignalStore]:
        return {
            epochs: SignalStore(place / f"after-{epochs}", layout(self.spec, self.key, epochs))
            for epochs in self.spec.ends
        }

    def _train_group(self, i: int, before: int) -> None:
        spec, runtime, saved = self.spec, self.runtime, self.home / f"checkpoint-{i}"
        [ended] = train_fleet(
            spec.model,
            spec.recipe,
            spec.arrays,
            spec.members,
            optimizer=spec.optimizer,
            batch_size=spec.batch_size,
            seed=spec.seed,
            execution=Execution(
                groups=[tuple(self.plan["groups"][i])],
                strategy=self.strategy,
                width=self.plan["widths"][i],
                checkpoint=lambda _: Checkpoint(saved),
                start=self._begun_elsewhere,
                on_progress=lambda p: runtime.on_progress(spec.recipe, p._replace(models=before)),
                on_epoch=self._on_epoch,
                on_phase=self._on_phase,
                stop=runtime.stop,
            ),
        )
        self._keep(ended.models, spec.ends[-1], ended.variables, self._taken(ended))
        shutil.rmtree(saved, ignore_errors=True)

    def _on_epoch(self, group: tuple[int, ...], epochs: int, variables: Variables) -> None:
        if epochs in self.spec.ends[:-1]:
            self._keep(group, epochs, variables, {})

    def _on_phase(self, group: tuple[int, ...], branch: Branch) -> None:
        if branch.phases in self.sharing.left and not self._silent:
            phases = self.spec.recipe.phases[: branch.phases]
            leave(self.home, sum(int(phase.epochs) for phase in phases), group, branch)

    def _begun_elsewhere(self, group: tuple[int, ...]) -> Branch | None:
        """Where an earlier fleet has left a group that was worked off in the same way."""
        own = working(self.plan)
        for trunk in self.sharing.trunks:
            stored = read_plan(trunk.home)
            branch = trunk.load(group) if working(stored) == own else None
            if branch is None or not self._taken_over(trunk, str(stored["key"]), group):
                continue
            phases = "first phase is that" if trunk.phases == 1 else "first phases are those"
            self.runtime.log(
                f"{self.spec.recipe.slug}: models {group[0]} to {group[-1]}: the {phases} of "
                f"{trunk.spec.recipe.slug}, trained once"
            )
            return branch
        return None

    def _taken_over(self, trunk: Trunk, key: str, group: tuple[int, ...]) -> bool:
        """Copies the signals of shared stops; False if the earlier fleet lacks some of them."""
        for epochs in self.spec.ends[:-1]:
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
        """Whether another process writes the same."""
        return self.strategy.together and not self.runtime.processes.first

    @full_float32
    def _taken(self, ended: Trained) -> dict[str, Shaped[np.ndarray, "models ..."]]:
        """What is known of finished models besides their answers."""
        spec = self.spec
        key = jax.random.key(spec.seed)
        request = SignalRequest(
            spec.model, ended.variables, ended.models, spec.arrays, spec.rows, key
        )
        found = {s.name: np.asarray(s.take(request)) for s in spec.kept if s.take is not None}
        return found | {"loss": ended.loss, "finite": ended.finite}

    def _keep(
        self,
        group: tuple[int, ...],
        epochs: int,
        variables: Variables,
        known: Mapping[str, Shaped[np.ndarray, "models ..."]],
    ) -> None:
        if self._silent:
            return
        parts, queried = self.stores[epochs].layout.parts, self.spec.queried_arrays

        def row(place: int, model: int) -> tuple[int, dict[str, np.ndarray]]:
            seen = self._take(self.spec.model, variables, place, model, queried)
            found = {"finite": jnp.isfinite(seen["confidence"]).all(), **seen}
            found |= {name: of_group[place] for name, of_group in known.items()}
            return model, {name: np.asarray(found[name]) for name in parts}

        # A model at a time, so that the answers of one are in memory.
        self.stores[epochs].write(row(place, model) for place, model in enumerate(group))
