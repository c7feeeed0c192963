"""How a fleet is grouped and worked off: decided once, before its first model is trained."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax

from pptp_jax.data import Dataset, Membership
from pptp_jax.files import write_array, write_json
from pptp_jax.regions import RegionMap, check_record
from pptp_jax.study.config import Study
from pptp_jax.training import Arrays, Recipe, Strategy, chunks, fitting_chunk


def resolved_regions(study: Study, recipe: Recipe, data: Dataset) -> RegionMap | None:
    """A recipe's regions with one explicit rule a parameter, to be written down; None without."""
    regions = recipe.regions(study.model)
    if regions is None:
        return None
    key = jax.eval_shape(lambda: jax.random.key(0))
    x = jax.ShapeDtypeStruct((1, *data.x.shape[1:]), "float32")
    return regions.resolve(jax.eval_shape(study.model.init, key, x).params)


def planned(
    home: Path,
    key: str,
    strategy: Strategy,
    study: Study,
    recipe: Recipe,
    data: Dataset,
    arrays: Arrays,
    membership: Membership,
    processes: int,
) -> dict[str, Any]:
    """How the fleet is grouped and worked off, written first: with who learns what, and regions.

    A fleet keeps both even where memory or the fastest strategy have changed: they decide over the
    last bits. A directory without a record of this fleet is another's, its checkpoints too, and is
    cleared.
    """
    path, models = home / "fleet.json", study.split.models
    regions = resolved_regions(study, recipe, data)
    stored = _record(path)
    groups = [tuple(group) for group in stored.get("groups", ())]
    if stored.get("key") == key and sum(groups, ()) == tuple(range(models)):
        if regions is not None:
            check_record(regions, stored["regions"])
        return stored
    shutil.rmtree(home, ignore_errors=True)
    size = fitting_chunk(study.model, arrays, study.batch_size, models, recipe.networks, strategy)
    groups = chunks(models, size, processes)
    record = None if regions is None else regions.to_json()
    write_array(home / "membership.npy", membership.matrix)
    plan = {"seed": study.seed, "groups": groups, "strategy": asdict(strategy), "regions": record}
    write_json(path, {"key": key} | plan)
    return plan


def available(stored: dict[str, Any]) -> Strategy:
    """A strategy on as many of its devices as are still there."""
    return Strategy(**stored | {"devices": min(stored["devices"], jax.local_device_count())})


def _record(path: Path) -> dict[str, Any]:
    """What was written of a fleet; nothing where it is missing or damaged."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}
