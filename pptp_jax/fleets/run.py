"""Run a fleet: train what is missing, store the signals, resume after an interruption.

A fleet's directory has a store of signals for each stop (`after-3/` and so on) and for the end.
Only that of the end keeps what is large, such as logits: attacks that need more than the
confidence look at finished models alone.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from pptp_jax.fleets.dispatch import train_by_executor
from pptp_jax.fleets.fingerprint import fingerprint
from pptp_jax.fleets.group import GroupTraining, PlannedFleet, layouts, opened
from pptp_jax.fleets.plan import halved, planned, predicted
from pptp_jax.fleets.shards import gather, shard
from pptp_jax.fleets.shared_phases import Sharing, drop_branches, plan_sharing
from pptp_jax.fleets.spec import FleetSpec, Runtime
from pptp_jax.fleets.stored_fleet import StoredFleet
from pptp_jax.fleets.task import recall
from pptp_jax.storage.units import size
from pptp_jax.training import Checkpoint


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
    found = []
    for spec, home, key, sharing in zip(specs, homes, keys, shared, strict=True):
        found.append(run_fleet(spec, home, runtime, key=key, sharing=sharing))
        if runtime.processes.first:
            runtime.on_fleet(spec.recipe, found[-1])
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
    """Trains a fleet; models that an earlier run has finished are read.

    Models that were trained side by side are trained again side by side, where anything of one of
    them is missing or damaged: a network's last bits depend on its neighbours. Where the memory
    does not suffice, the groups that are not finished are halved; not where several processes share
    them, which ends them all. An executor's groups are trained by its workers, with the same
    numbers as here.

    Args:
        spec: the fleet.
        home: the fleet's own directory. Process 0 writes into its stores, each other process and
            each worker of an executor into shards, which process 0 gathers: at the end, when a
            group has ended, or at the beginning of the next run.
        runtime: how it is executed; None executes it in this process.
        key: the fleet's fingerprint, if it is known already.
        sharing: the phases that it has in common with other fleets.

    Returns:
        The fleet by the epochs behind it. In other processes than process 0 what they have
        trained.

    Raises:
        KeyboardInterrupt: if the runtime says stop, when what is being trained has been saved.
        ValueError: if a worker of an executor does not fit the run, or was lost too often.

    Examples:
        >>> import tempfile
        >>> import numpy as np
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
    """One attempt to train a fleet by its plan."""

    def __init__(
        self, spec: FleetSpec, home: Path, runtime: Runtime, key: str, sharing: Sharing
    ) -> None:
        self.spec, self.home, self.runtime, self.key = spec, home, runtime, key
        self.sharing = sharing
        processes = runtime.processes
        self.layouts = layouts(spec, key)
        agreed = processes.agree(self._begun)
        self.plan, missing = agreed["plan"], agreed["missing"]
        self.fleet = PlannedFleet(spec, home, self.plan, sharing)
        together = self.fleet.strategy.together
        self.missing: list[int] = missing if together else processes.share(missing)
        place = home if processes.first else shard(home, processes.index)
        self.stores = opened(place, self.layouts)

    def train(self) -> list[int] | None:
        """Trains what is missing; returns the groups that ran out of memory."""
        unfinished = list(self.missing)
        if unfinished and self.runtime.processes.first:
            width = max(self.plan["widths"][i] for i in unfinished)
            need = size(predicted(self.spec, width, self.fleet.strategy))
            slug = self.spec.recipe.slug
            self.runtime.log(
                f"{slug}: {width} models at a time, predicted to need {need} and the data"
            )
        if unfinished and self.runtime.executor is not None:
            return train_by_executor(self.fleet, unfinished, self.stores, self.runtime) or None
        try:
            before = 0
            for i in self.missing:
                GroupTraining(self.fleet, i, self.stores, self.runtime, before).train()
                before += len(self.plan["groups"][i])
                unfinished.remove(i)
        except jax.errors.JaxRuntimeError as error:
            if self.runtime.processes.count > 1 or "RESOURCE_EXHAUSTED" not in str(error):
                raise
        return unfinished or None

    def _begun(self) -> dict[str, Any]:
        """The plan, and the unfinished groups; removes stale files."""
        home, count = self.home, self.runtime.processes.count
        if not self.runtime.resume:
            shutil.rmtree(home, ignore_errors=True)
        recall(home)
        plan = planned(home, self.key, self.spec, self.runtime)
        stores = opened(home, self.layouts)
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
