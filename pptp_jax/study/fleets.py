"""The fleets of a run: trained once, their signals kept, and taken up where they stopped."""

import json
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from pptp_jax.data import Dataset, Membership, member_indices
from pptp_jax.regions import RegionMap, check_record
from pptp_jax.signals import collect
from pptp_jax.study.config import Study
from pptp_jax.study.files import write_arrays, write_json
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
    """

    confidence: Float[np.ndarray, "models queries examples"]
    correct: Bool[np.ndarray, "models examples"]
    loss: Float[np.ndarray, "models epochs"]
    finite: Bool[np.ndarray, " models"]


def fleet(
    study: Study,
    recipe: Recipe,
    data: Dataset,
    membership: Membership,
    home: Path,
    *,
    resume: bool,
    on_progress: Callable[[Progress], None],
) -> Fleet:
    """Trains a fleet, or reads as much of it as an earlier run has left.

    Args:
        study: the study.
        recipe: which of its recipes.
        data: the examples.
        membership: who trains on what.
        home: the fleet's own directory.
        resume: whether what an earlier run has left is used.
        on_progress: is told after each epoch.
    """
    arrays = Arrays.of(data)
    if not resume:
        shutil.rmtree(home, ignore_errors=True)
    groups = _groups(home, study, recipe, data, arrays)
    parts = [_read(home / f"group-{i}.npz") for i in range(len(groups))]
    missing = [i for i, part in enumerate(parts) if part is None]
    take = jax.jit(jax.vmap(partial(collect, study.model), in_axes=(0, None)))
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
    )
    for i, group in zip(missing, trained, strict=True):
        signals = take(group.variables, arrays)
        confidence, correct = map(np.asarray, signals)
        part = Fleet(confidence, correct, group.loss, group.finite)
        write_arrays(home / f"group-{i}.npz", part._asdict())
        shutil.rmtree(home / f"checkpoint-{i}", ignore_errors=True)
        parts[i] = part
    return Fleet(*map(np.concatenate, zip(*parts, strict=True)))


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
    size = fitting_chunk(study.model, arrays, study.batch_size, study.split.models)
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
