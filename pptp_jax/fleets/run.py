"""Running a fleet: trained once, its signals kept, and taken up where it stopped.

A fleet's directory has a store of signals for each stop (`after-3/` and so on) and for the end.
Only that of the end keeps what is large, such as logits: attacks that need more than the
confidence look at finished models alone.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Shaped

from pptp_jax.data import Arrays
from pptp_jax.fleets.fingerprint import fingerprint
from pptp_jax.fleets.plan import available, halved, planned, predicted
from pptp_jax.fleets.shards import gather, shard
from pptp_jax.fleets.spec import FleetSpec, Runtime
from pptp_jax.fleets.stored import StoredFleet
from pptp_jax.models import Variables
from pptp_jax.signals import Asked, Layout, Part, SignalStore, collect
from pptp_jax.storage.units import size
from pptp_jax.tasks import Signal
from pptp_jax.training import Checkpoint, Execution, Strategy, Trained, train_fleet


def run_fleet(
    spec: FleetSpec, home: Path, runtime: Runtime | None = None, *, key: str | None = None
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

    Returns:
        The fleet by the epochs behind it. In other processes than process 0 what they have
        trained.

    Raises:
        KeyboardInterrupt: if the runtime says stop, when what is being trained has been saved.
    """
    runtime = Runtime() if runtime is None else runtime
    run = _Run(spec, home, runtime, fingerprint(spec) if key is None else key)
    while (unfinished := run.train()) is not None:
        # What failed is let go by now, with the memory that it held.
        width = halved(home, run.plan, unfinished)
        runtime.log(
            f"{spec.recipe.slug}: the memory does not suffice; going on with {width} at a time"
        )
        run = _Run(spec, home, replace(runtime, resume=True), run.key)
    runtime.processes.wait()
    if runtime.processes.first:
        gather(home, run.stores)
    return StoredFleet(run.stores)


class _Run:
    """One attempt at a fleet, with the groups as they are planned."""

    def __init__(self, spec: FleetSpec, home: Path, runtime: Runtime, key: str) -> None:
        self.spec, self.home, self.runtime, self.key = spec, home, runtime, key
        processes = runtime.processes
        agreed = processes.agree(self._begun)
        self.plan = agreed["plan"]
        self.strategy: Strategy = available(self.plan["strategy"])
        missing = agreed["missing"]
        self.missing: list[int] = missing if self.strategy.together else processes.share(missing)
        self.stores = self._opened(home if processes.first else shard(home, processes.index))
        self._take = jax.jit(partial(_reduced, spec))

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
                on_progress=lambda p: runtime.on_progress(spec.recipe, p._replace(models=before)),
                on_epoch=self._on_epoch,
                stop=runtime.stop,
            ),
        )
        self._keep(ended.models, spec.ends[-1], ended.variables, self._taken(ended))
        shutil.rmtree(saved, ignore_errors=True)

    def _on_epoch(self, group: tuple[int, ...], epochs: int, variables: Variables) -> None:
        if epochs in self.spec.ends[:-1]:
            self._keep(group, epochs, variables, {})

    def _taken(self, ended: Trained) -> dict[str, Shaped[np.ndarray, "models ..."]]:
        """What is known of finished models besides their answers."""
        spec = self.spec
        key = jax.random.key(spec.seed)
        asked = Asked(spec.model, ended.variables, ended.models, spec.arrays, spec.rows, key)
        found = {s.name: np.asarray(s.take(asked)) for s in spec.kept if s.take is not None}
        return found | {"loss": ended.loss, "finite": ended.finite}

    def _keep(
        self,
        group: tuple[int, ...],
        epochs: int,
        variables: Variables,
        known: Mapping[str, Shaped[np.ndarray, "models ..."]],
    ) -> None:
        if self.strategy.together and not self.runtime.processes.first:
            return  # process 0 has the same
        parts, asked = self.stores[epochs].layout.parts, self.spec.asked_arrays

        def row(place: int, model: int) -> tuple[int, dict[str, np.ndarray]]:
            seen = self._take(variables, place, model, asked)
            found = {"finite": jnp.isfinite(seen["confidence"]).all(), **seen}
            found |= {name: of_group[place] for name, of_group in known.items()}
            return model, {name: np.asarray(found[name]) for name in parts}

        # A model at a time, so that the answers of one are in memory.
        self.stores[epochs].write(row(place, model) for place, model in enumerate(group))


def layout(spec: FleetSpec, key: str, epochs: int) -> Layout:
    """What the store of a stop holds.

    Args:
        spec: the fleet.
        key: its fingerprint.
        epochs: the epochs behind the stop.
    """
    signals = spec.signals_at(epochs)
    shapes = spec.model.shapes(spec.arrays.batch_shape())
    one = jax.eval_shape(partial(_answers, spec), shapes, spec.asked_arrays, jax.random.key(0))
    stacked = jax.tree.map(lambda a: jax.ShapeDtypeStruct((1, *a.shape), a.dtype), shapes)
    parts = {}
    for signal in signals:
        if signal.take is None:
            found, shape = one[signal.name], one[signal.name].shape
        else:
            found = jax.eval_shape(partial(_take, spec, signal), stacked)
            shape = found.shape[1:]
        parts[signal.name] = Part(shape, str(found.dtype))
    parts["finite"] = Part((), "bool")
    if epochs == spec.ends[-1]:
        parts["loss"] = Part((epochs,))
    return Layout(
        key=key,
        models=spec.models,
        examples=len(spec.rows),
        queries=tuple(query.name for query in spec.queries),
        parts=parts,
    )


def _take(spec: FleetSpec, signal: Signal, fleet: Variables) -> Shaped[Array, "models ..."]:
    """A signal of the first models of a fleet; only its shape is looked at."""
    assert signal.take is not None
    numbers = tuple(range(len(jax.tree.leaves(fleet)[0])))
    key = jax.random.key(spec.seed)
    return signal.take(Asked(spec.model, fleet, numbers, spec.arrays, spec.rows, key))


def _answers(
    spec: FleetSpec, own: Variables, data: Arrays, key: Any
) -> dict[str, Shaped[Array, "..."]]:
    return collect(
        spec.model,
        own,
        data,
        signals=spec.kept,
        queries=spec.queries,
        release=spec.recipe.release,
        key=key,
    )


def _reduced(
    spec: FleetSpec, group: Variables, place: Int[Array, ""], model: Int[Array, ""], data: Arrays
) -> dict[str, Shaped[Array, "..."]]:
    """The signals that follow from the answers of a model that stands somewhere in a group."""
    own = jax.tree.map(lambda leaf: leaf[place], group)
    return _answers(spec, own, data, jax.random.fold_in(jax.random.key(spec.seed), model))
