"""Which strategy a study's fleets are trained by: measured once for a model, and remembered."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax

from pptp_jax.data import Arrays, Dataset
from pptp_jax.storage.files import write_json
from pptp_jax.storage.record import describe
from pptp_jax.study.config import Study
from pptp_jax.training import Strategy, fastest_strategy


def measured_strategy(
    study: Study,
    data: Dataset,
    *,
    memory: Path | None,
    devices: int,
    data_devices: int = 1,
    log: Callable[[str], object],
) -> Strategy:
    """The fastest strategy for a study's model, as measured now or remembered from another run.

    Args:
        study: the study.
        data: its data.
        memory: a file of what was measured, by model, batch and device; written again where it is
            missing or damaged. None remembers nothing.
        devices: over how many devices fleets are spread.
        data_devices: how many devices share a model's batches.
        log: receives what was found, as a sentence.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> model, recipes = mlp([8], num_classes=10), (undefended(1),)
        >>> mine = Study(name="mine", data=Digits(), model=model, recipes=recipes)
        >>> lines = []
        >>> chosen = measured_strategy(mine, mine.load(), memory=None, devices=1, log=lines.append)
        >>> lines[0].startswith(f"training by {chosen.order} on cpu: examples a second by vmap ")
        True
    """
    kind = jax.local_devices()[0].device_kind
    together = Strategy(order="scan", devices=devices, data_devices=data_devices)
    if together.together:  # what the other processes would have to measure, too
        log(f"training by scan on {data_devices} devices of all processes, {kind}")
        return together
    model = [describe(study.model), data.x.shape[1:], data.num_classes]
    what = [model, study.batch_size, study.split.models, kind, devices, data_devices]
    key = hashlib.sha256(json.dumps([*what, jax.__version__]).encode()).hexdigest()
    known = {} if memory is None else _read(memory)
    if key not in known:
        probe = fastest_strategy(
            study.model,
            Arrays.of(data),
            batch_size=study.batch_size,
            models=study.split.models,
            devices=devices,
            data_devices=data_devices,
        )
        known[key] = {"strategy": asdict(probe.strategy), "speeds": probe.speeds}
        if memory is not None:
            write_json(memory, known)
    strategy = Strategy(**known[key]["strategy"])
    speeds = ", ".join(f"{order} {speed:,.0f}" for order, speed in known[key]["speeds"].items())
    count = devices * data_devices
    on = kind if count == 1 else f"{count} devices, {kind}"
    log(f"training by {strategy.order} on {on}: examples a second by {speeds}")
    return strategy


def _read(memory: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(memory.read_text()))
    except (OSError, ValueError, TypeError):
        return {}
