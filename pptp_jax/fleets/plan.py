"""The plan of a fleet: its groups and strategy, decided before its first model is trained."""

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax

from pptp_jax.data import Arrays
from pptp_jax.fleets.spec import FleetSpec, Runtime
from pptp_jax.models import Model
from pptp_jax.regions import RegionMap, check_record
from pptp_jax.storage.files import write_array, write_json
from pptp_jax.training import Strategy, chunks, fitting_chunk, needed_memory
from pptp_jax.validation import Refused


def resolved_regions(spec: FleetSpec) -> RegionMap | None:
    """A recipe's regions with one explicit rule a parameter, to be stored; None without regions."""
    regions = spec.recipe.regions(spec.model)
    return (
        None
        if regions is None
        else regions.resolve(spec.model.shapes(spec.arrays.batch_shape()).params)
    )


def planned(home: Path, key: str, spec: FleetSpec, runtime: Runtime) -> dict[str, Any]:
    """Reads the stored plan of a fleet; without one, plans its groups and writes the plan.

    A fleet keeps both even where memory or the fastest strategy have changed: they decide over the
    last bits. A directory without a record of this fleet is another's, its checkpoints too, and is
    cleared.
    """
    path, models = home / "fleet.json", spec.models
    regions = resolved_regions(spec)
    stored = read_plan(home)
    groups = [tuple(group) for group in stored.get("groups", ())]
    if stored.get("key") == key and sum(groups, ()) == tuple(range(models)):
        if regions is not None:
            check_record(regions, stored["regions"])
        return {"widths": [max(map(len, groups))] * len(groups)} | stored
    shutil.rmtree(home, ignore_errors=True)
    size = fitting_chunk(*_load(spec), models, spec.recipe.networks, runtime.strategy)
    groups = chunks(models, size, runtime.shares)
    width = max(map(len, groups))
    write_array(home / "members.npy", spec.members)
    plan = {
        "key": key,
        "seed": spec.seed,
        "groups": groups,
        "widths": [width] * len(groups),
        "predicted_bytes": predicted(spec, width, runtime.strategy),
        "strategy": asdict(runtime.strategy),
        "regions": None if regions is None else regions.to_json(),
    }
    write_json(path, plan)
    return plan


def predicted(spec: FleetSpec, width: int, strategy: Strategy) -> int:
    """The predicted memory, in bytes, of `width` models side by side."""
    return needed_memory(*_load(spec), width, spec.recipe.networks, strategy)


def _load(spec: FleetSpec) -> tuple[Model, Arrays, int]:
    places = spec.recipe.places(spec.members.shape[1], spec.batch_size)
    return spec.model, spec.arrays, places


def predicted_bytes(home: Path) -> int | None:
    """The memory that the plan predicts for a fleet's models; None if it has no prediction."""
    return read_plan(home).get("predicted_bytes")


def halved(home: Path, plan: Mapping[str, Any], unfinished: Collection[int]) -> int:
    """Plans the unfinished groups again at half the width, after they ran out of memory.

    Finished ones keep their width, by which they would come out the same again. Checkpoints go:
    they are of the groups as they were.

    Args:
        home: the fleet's own directory.
        plan: as it was.
        unfinished: the numbers of the groups.

    Returns:
        The new width of the widest of them.

    Raises:
        ValueError: if they are trained one by one already, or as many as there are devices.
    """
    devices, widest = plan["strategy"]["devices"], 0
    groups: list[tuple[int, ...]] = []
    widths: list[int] = []
    for i, (group, width) in enumerate(zip(plan["groups"], plan["widths"], strict=True)):
        if i in unfinished:
            if width <= devices:
                raise Refused(
                    f"{home.name}: the memory is too small even for one model a device at a time; "
                    f"take a smaller batch_size or model"
                )
            width = -(-width // 2)
            widest = max(widest, width)
        for start in range(0, len(group), width):
            groups.append(group[start : start + width])
            widths.append(width)
    for saved in home.glob("checkpoint-*"):
        shutil.rmtree(saved)
    write_json(home / "fleet.json", {**plan, "groups": groups, "widths": widths})
    return widest


def available(stored: dict[str, Any]) -> Strategy:
    """A strategy on as many of its devices as are still there."""
    here, shared = jax.local_device_count(), stored.get("data_devices", 1)
    if here < shared == jax.device_count():
        return Strategy(**stored)
    # A batch that divides evenly among n devices divides among any divisor of n, too.
    shared = max(n for n in range(1, min(shared, here) + 1) if shared % n == 0)
    devices = min(stored["devices"], here // shared)
    return Strategy(**stored | {"devices": devices, "data_devices": shared})


def read_plan(home: Path) -> dict[str, Any]:
    """The stored plan of a fleet; empty where it is missing or damaged."""
    try:
        return dict(json.loads((home / "fleet.json").read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def working(plan: Mapping[str, Any]) -> Any:
    """The parts of a plan that affect rounding: a model's group and its strategy."""
    return json.loads(json.dumps([plan.get(part) for part in ("groups", "widths", "strategy")]))
