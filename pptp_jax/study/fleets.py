"""The fleets of a run: trained once, their signals kept, and taken up where they stopped.

A fleet's directory has a store of signals for each stop of the trajectory (`after-3/` and so on)
and for the end. Only that of the end keeps logits: they are as large as φ times the classes, and
attacks that need more than φ look at finished models alone. With one query and the 60,000 images
of CIFAR-10 a model takes 2.7 MB at the end and 0.3 MB at a stop.
"""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from pptp_jax.data import Arrays, Dataset, Membership, member_indices
from pptp_jax.distributed.processes import Processes
from pptp_jax.locate import gradient_norms
from pptp_jax.models import Variables
from pptp_jax.probes import feature_margins
from pptp_jax.signals import Layout, Part, Signals, SignalStore, collect
from pptp_jax.storage.units import size
from pptp_jax.study.config import Study
from pptp_jax.study.kept import Kept
from pptp_jax.study.plan import available, halved, planned
from pptp_jax.study.probing import PROBED, probes, signals_read
from pptp_jax.study.robust import asked, robust
from pptp_jax.study.shards import gather, shard
from pptp_jax.training import Checkpoint, Progress, Recipe, Strategy, needed_memory, train_fleet


def fleet(
    study: Study,
    recipe: Recipe,
    data: Dataset,
    membership: Membership,
    home: Path,
    *,
    key: str,
    strategy: Strategy,
    resume: bool,
    on_progress: Callable[[Progress], None],
    stop: Callable[[], bool],
    processes: Processes,
    tell: Callable[[str], object],
) -> Kept:
    """Trains a fleet, or reads as much of it as an earlier run has left.

    Models that were trained side by side are trained anew side by side, where anything of one of
    them is missing or damaged: a network's last bits depend on its neighbours.

    Args:
        study: the study.
        recipe: which of its recipes.
        data: the examples.
        membership: who trains on what.
        home: the fleet's own directory.
        key: the hash of everything that the fleet depends on.
        strategy: how it is trained if it is not begun yet.
        resume: whether what an earlier run has left is used.
        on_progress: is told after each epoch.
        stop: whether to stop, asked after each epoch.
        tell: is told in a sentence what memory the models are predicted to need, if any are left to
            be trained, and if it does not suffice. Then the groups that are not finished are
            halved; not where several processes share them, which ends them all.
        processes: those that share the work, group by group. Process 0 writes into the fleet's own
            stores, each other one into stores of its own, which process 0 gathers at the end, or at
            the beginning of the next run.

    Returns:
        The fleet by the epochs behind it: on the way where the study's trajectory asks for it, and
        at the end. In other processes than process 0 what they have trained.
    """
    arrays = Arrays.of(data, study.division(len(data)).reference, study.augmentation)
    stops = _stops(study, recipe)
    end = stops[-1]

    def opened(place: Path) -> dict[int, SignalStore]:
        return {
            epochs: SignalStore(
                place / f"after-{epochs}", _layout(study, data, membership, key, epochs, end)
            )
            for epochs in stops
        }

    def begun() -> dict[str, Any]:
        if not resume:
            shutil.rmtree(home, ignore_errors=True)
        plan = planned(
            home, key, strategy, study, recipe, data, arrays, membership, processes.count
        )
        stores = opened(home)
        gather(home, stores)
        for process in range(1, processes.count):
            shard(home, process).mkdir(parents=True)
        missing = []
        for i, group in enumerate(plan["groups"]):
            lost = [epochs for epochs, store in stores.items() if store.missing & {*group}]
            saved = home / f"checkpoint-{i}"
            if lost:
                missing.append(i)
            # Of no use to a finished group; and past a lost stop no way leads back to it.
            if not lost or (lost[0] != end and (Checkpoint(saved).latest() or 0) >= lost[0]):
                shutil.rmtree(saved, ignore_errors=True)
        return {"plan": plan, "missing": missing}

    agreed = processes.agree(begun)
    plan = agreed["plan"]
    used = available(plan["strategy"])
    missing = agreed["missing"] if used.together else processes.share(agreed["missing"])
    stores = opened(home if processes.first else shard(home, processes.index))
    take = jax.jit(partial(_collect, study, recipe))

    def keep(
        group: tuple[int, ...], epochs: int, variables: Variables, known: Mapping[str, np.ndarray]
    ) -> None:
        if used.together and not processes.first:
            return  # process 0 has the same
        parts = stores[epochs].layout.parts

        def row(place: int, model: int) -> tuple[int, dict[str, np.ndarray]]:
            seen = take(variables, place, model, arrays)
            found = {"finite": jnp.isfinite(seen.confidence).all(), **seen._asdict()}
            found |= {name: of_group[place] for name, of_group in known.items()}
            return model, {name: np.asarray(found[name]) for name in parts}

        # A model at a time, so that the logits of one are in memory.
        stores[epochs].write(row(place, model) for place, model in enumerate(group))

    def observe(group: tuple[int, ...], epochs: int, variables: Variables) -> None:
        if epochs in stops[:-1]:
            keep(group, epochs, variables, {})

    def train(i: int, before: int) -> None:
        saved = home / f"checkpoint-{i}"
        [ended] = train_fleet(
            study.model,
            recipe,
            arrays,
            member_indices(membership.matrix),
            optimizer=study.optimizer,
            batch_size=study.batch_size,
            seed=study.seed,
            groups=[tuple(plan["groups"][i])],
            strategy=used,
            width=plan["widths"][i],
            checkpoint=lambda _: Checkpoint(saved),
            on_progress=lambda now: on_progress(now._replace(models=before)),
            observe=observe,
            stop=stop,
        )
        known = {"loss": ended.loss, "finite": ended.finite}
        parts = stores[end].layout.parts
        look = study.model, ended.variables, arrays, jnp.arange(len(data))
        if "gradient_norms" in parts:
            known["gradient_norms"] = np.asarray(gradient_norms(*look)).swapaxes(0, 1)
        if "feature_margins" in parts:
            known["feature_margins"] = np.asarray(feature_margins(*look))
        for name, probe in probes(study, data, arrays).items():
            known[name] = probe(ended.variables)
        if "robust" in parts:
            known["robust"] = robust(study, arrays, membership, ended.models, ended.variables)
        keep(ended.models, end, ended.variables, known)
        shutil.rmtree(saved, ignore_errors=True)

    unfinished = list(missing)
    if missing and processes.first:
        width = max(plan["widths"][i] for i in missing)
        need = needed_memory(study.model, arrays, study.batch_size, width, recipe.networks, used)
        tell(
            f"{recipe.slug}: {width} models at a time, predicted to need {size(need)} and the data"
        )
    try:
        before = 0
        for i in missing:
            train(i, before)
            before += len(plan["groups"][i])
            unfinished.remove(i)
    except jax.errors.JaxRuntimeError as error:
        if processes.count > 1 or "RESOURCE_EXHAUSTED" not in str(error):
            raise
    if unfinished:  # what failed is let go by now, with the memory that it held
        width = halved(home, plan, unfinished)
        tell(f"{recipe.slug}: the memory does not suffice; going on with {width} at a time")
        return fleet(
            study,
            recipe,
            data,
            membership,
            home,
            key=key,
            strategy=strategy,
            resume=True,
            on_progress=on_progress,
            stop=stop,
            processes=processes,
            tell=tell,
        )
    processes.wait()
    if processes.first:
        gather(home, stores)
    return Kept(stores)


def _layout(
    study: Study, data: Dataset, membership: Membership, key: str, epochs: int, end: int
) -> Layout:
    queries, examples, blocks = len(study.queries), len(data), len(study.model.blocks)
    parts = {
        "confidence": Part((queries, examples)),
        "correct": Part((examples,), "bool"),
        "finite": Part((), "bool"),
    }
    if epochs == end:
        parts["logits"] = Part((queries, examples, data.num_classes))
        parts["loss"] = Part((end,))
        read = signals_read(study)
        if study.white_box or "gradient_norms" in read:
            parts["gradient_norms"] = Part((blocks, examples))
        if study.white_box and study.model.features is not None:
            parts["feature_margins"] = Part((blocks, examples))
        parts |= {name: Part((examples,)) for name in PROBED if name in read}
        if study.robustness is not None:
            rows = asked(study, membership).shape[1]
            parts["robust"] = Part((len(study.robustness.trials), rows))
    return Layout(
        key=key,
        models=study.split.models,
        examples=examples,
        classes=data.num_classes,
        queries=tuple(query.name for query in study.queries),
        parts=parts,
    )


def _collect(
    study: Study,
    recipe: Recipe,
    group: Variables,
    place: Int[Array, ""],
    model: Int[Array, ""],
    data: Arrays,
) -> Signals:
    """The signals of a model that stands somewhere in a group."""
    own = jax.tree.map(lambda leaf: leaf[place], group)
    key = jax.random.fold_in(jax.random.key(study.seed), model)
    return collect(study.model, own, data, queries=study.queries, release=recipe.release, key=key)


def _stops(study: Study, recipe: Recipe) -> list[int]:
    """The epochs after which the models are attacked, the last of them the end of the recipe."""
    stops, ended = set(study.trajectory), 0
    for phase in recipe.phases:
        if phase.ensemble is not None:
            stops -= set(range(ended + 1, ended + int(phase.epochs) + 1))
        ended += int(phase.epochs)
    return sorted({stop for stop in stops if stop < ended} | {ended})
