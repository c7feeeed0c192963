"""The fleets of a run: trained once, their signals kept, and taken up where they stopped."""

import json
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from pptp_jax.data import Dataset, Membership, member_indices
from pptp_jax.files import write_arrays, write_json
from pptp_jax.locate import gradient_norms
from pptp_jax.models import Model, Variables
from pptp_jax.probes import feature_margins
from pptp_jax.regions import RegionMap, check_record
from pptp_jax.release import Release
from pptp_jax.signals import Query, Signals, collect
from pptp_jax.study.config import Study
from pptp_jax.training import (
    Arrays,
    Checkpoint,
    Progress,
    Recipe,
    chunks,
    fitting_chunk,
    train_fleet,
)


class Fleet(NamedTuple):
    """What is left of a fleet once its models are gone.

    Attributes:
        confidence: φ.
        correct: whether the prediction is the label.
        loss: the mean cross-entropy over the batches of each epoch.
        finite: whether the model stayed finite.
        gradient_norms: the norm of each block's gradient, for white-box attacks; without blocks
            where nobody asked.
        feature_margins: by how much each block's features speak for the label, likewise; without
            blocks also where the model does not let its features be seen.
    """

    confidence: Float[np.ndarray, "models queries examples"]
    correct: Bool[np.ndarray, "models examples"]
    loss: Float[np.ndarray, "models epochs"]
    finite: Bool[np.ndarray, " models"]
    gradient_norms: Float[np.ndarray, "models blocks examples"]
    feature_margins: Float[np.ndarray, "models blocks examples"]


def fleet(
    study: Study,
    recipe: Recipe,
    data: Dataset,
    membership: Membership,
    home: Path,
    *,
    resume: bool,
    on_progress: Callable[[Progress], None],
) -> dict[int, Fleet]:
    """Trains a fleet, or reads as much of it as an earlier run has left.

    Args:
        study: the study.
        recipe: which of its recipes.
        data: the examples.
        membership: who trains on what.
        home: the fleet's own directory.
        resume: whether what an earlier run has left is used.
        on_progress: is told after each epoch.

    Returns:
        The fleet by the epochs behind it: on the way where the study's trajectory asks for it, and
        at the end.
    """
    arrays = Arrays.of(data, study.division(len(data)).reference, study.augmentation)
    if not resume:
        shutil.rmtree(home, ignore_errors=True)
    groups = _groups(home, study, recipe, data, arrays)
    stops = _stops(study, recipe)
    take = jax.jit(
        jax.vmap(
            partial(_collect, study.model, recipe.release, study.queries), in_axes=(0, 0, None)
        )
    )

    def path(group: int, epochs: int) -> Path:
        return home / f"group-{group}-after-{epochs}.npz"

    def signals(group: tuple[int, ...], variables: Variables) -> tuple[np.ndarray, np.ndarray]:
        keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(study.seed)))(jnp.array(group))
        seen = take(variables, keys, arrays)
        return np.asarray(seen.confidence), np.asarray(seen.correct)

    def observe(group: tuple[int, ...], epochs: int, variables: Variables) -> None:
        if epochs in stops[:-1]:
            confidence, correct = signals(group, variables)
            finite = np.asarray(np.isfinite(confidence).all(axis=(1, 2)))
            loss, unseen = np.zeros((len(group), 0), np.float32), _unseen(group, data)
            part = Fleet(confidence, correct, loss, finite, unseen, unseen)
            write_arrays(path(groups.index(group), epochs), part._asdict())

    def stored(group: int) -> list[Fleet | None]:
        *ways, end = [_read(path(group, epochs)) for epochs in stops]
        blind = end is not None and study.white_box and not end.gradient_norms.size
        return [*ways, None if blind else end]

    parts = {i: stored(i) for i in range(len(groups))}
    missing = [i for i, stored in parts.items() if any(part is None for part in stored)]
    for i in missing:
        saved = home / f"checkpoint-{i}"
        lost = [at for at, part in zip(stops, parts[i], strict=True) if part is None]
        if (Checkpoint(saved).latest() or 0) >= lost[0]:  # from there no way leads back to it
            shutil.rmtree(saved, ignore_errors=True)
    trained = train_fleet(
        study.model,
        recipe,
        arrays,
        member_indices(membership.matrix),
        optimizer=study.optimizer,
        batch_size=study.batch_size,
        seed=study.seed,
        groups=[groups[i] for i in missing],
        checkpoint=lambda group: Checkpoint(home / f"checkpoint-{groups.index(group)}"),
        on_progress=on_progress,
        observe=observe,
    )
    for i, group in zip(missing, trained, strict=True):
        norms = margins = _unseen(group.models, data)
        if study.white_box:
            look = study.model, group.variables, arrays, jnp.arange(len(data))
            norms = np.asarray(gradient_norms(*look)).swapaxes(0, 1)
            if study.model.features is not None:
                margins = np.asarray(feature_margins(*look))
        seen = signals(group.models, group.variables)
        part = Fleet(*seen, group.loss, group.finite, norms, margins)
        write_arrays(path(i, stops[-1]), part._asdict())
        shutil.rmtree(home / f"checkpoint-{i}", ignore_errors=True)
        parts[i] = stored(i)
    return {
        epochs: Fleet(*map(np.concatenate, zip(*(parts[i][at] for i in parts), strict=True)))
        for at, epochs in enumerate(stops)
    }


def _unseen(group: tuple[int, ...], data: Dataset) -> Float[np.ndarray, "models 0 examples"]:
    return np.zeros((len(group), 0, len(data)), np.float32)


def _collect(
    model: Model,
    release: Release | None,
    queries: tuple[Query, ...],
    variables: Variables,
    key: Key[Array, ""],
    data: Arrays,
) -> Signals:
    return collect(model, variables, data, queries=queries, release=release, key=key)


def _stops(study: Study, recipe: Recipe) -> list[int]:
    """The epochs after which the models are attacked, the last of them the end of the recipe."""
    stops, ended = set(study.trajectory), 0
    for phase in recipe.phases:
        if phase.ensemble is not None:
            stops -= set(range(ended + 1, ended + int(phase.epochs) + 1))
        ended += int(phase.epochs)
    return sorted({stop for stop in stops if stop < ended} | {ended})


def resolved_regions(study: Study, recipe: Recipe, data: Dataset) -> RegionMap | None:
    """A recipe's regions with one explicit rule a parameter, to be written down; None without."""
    regions = recipe.regions(study.model)
    if regions is None:
        return None
    key = jax.eval_shape(lambda: jax.random.key(0))
    x = jax.ShapeDtypeStruct((1, *data.x.shape[1:]), "float32")
    return regions.resolve(jax.eval_shape(study.model.init, key, x).params)


def _groups(
    home: Path, study: Study, recipe: Recipe, data: Dataset, arrays: Arrays
) -> list[tuple[int, ...]]:
    """How the fleet was grouped and which parameter was in which region, written first.

    A fleet keeps its grouping even where memory has changed: it decides over the last bits.
    """
    path = home / "fleet.json"
    regions = resolved_regions(study, recipe, data)
    if path.is_file():
        stored = json.loads(path.read_text())
        if regions is not None:
            check_record(regions, stored["regions"])
        return [tuple(group) for group in stored["groups"]]
    size = fitting_chunk(study.model, arrays, study.batch_size, study.split.models, recipe.networks)
    groups = chunks(study.split.models, size)
    record = None if regions is None else regions.to_json()
    write_json(path, {"groups": groups, "regions": record})
    return groups


def _read(path: Path) -> Fleet | None:
    """A finished group; None if it is not there or was damaged, to be trained anew."""
    try:
        with path.open("rb") as file, np.load(file) as stored:
            return Fleet(**stored)
    except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile):
        return None
