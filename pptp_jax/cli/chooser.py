"""How an invocation has its fleets trained, and how fast that is."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from pptp_jax.study import Study
    from pptp_jax.study.run import Chooser
    from pptp_jax.training import Probe, Strategy
    from pptp_jax.training.strategy import Order


def chooser(order: str, devices: int | None, cache: Path | None) -> "Chooser":
    """What chooses the strategy of a study's fleets.

    Args:
        order: how the models of a fleet are trained, or `measured`.
        devices: over how many devices; None takes all of this process that are no CPU.
        cache: the directory where measured strategies are remembered; None remembers nothing.
    """
    from pptp_jax import study as studies
    from pptp_jax.training import Strategy

    devices = _devices(devices)
    if order == "measured":
        memory = None if cache is None else cache / "strategies.json"
        tell = partial(click.echo, err=True)
        return partial(studies.measured_strategy, memory=memory, devices=devices, tell=tell)
    fixed = Strategy(order=cast("Order", order), devices=devices)
    return lambda study, data: fixed


def probed(study: "Study", order: str, devices: int | None) -> tuple["Strategy", "Probe"]:
    """The strategy that a study would be trained by, and the speeds of a probe just now."""
    from pptp_jax.training import Arrays, Strategy, fastest_strategy

    devices = _devices(devices)
    data = Arrays.of(study.load())
    models = study.split.models
    probe = fastest_strategy(
        study.model, data, batch_size=study.batch_size, models=models, devices=devices
    )
    if order == "measured":
        return probe.strategy, probe
    return Strategy(order=cast("Order", order), devices=devices), probe


def _devices(devices: int | None) -> int:
    import jax

    if devices is not None:
        return devices
    return 1 if jax.default_backend() == "cpu" else jax.local_device_count()
