"""How an invocation has its fleets trained."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from pptp_jax.study.run import Chooser
    from pptp_jax.training.strategy import Order


def chooser(order: str, devices: int | None, cache: Path | None) -> "Chooser":
    """What chooses the strategy of a study's fleets.

    Args:
        order: how the models of a fleet are trained, or `measured`.
        devices: over how many devices; None takes all of this process that are no CPU.
        cache: the directory where measured strategies are remembered; None remembers nothing.
    """
    import jax

    from pptp_jax import study as studies
    from pptp_jax.training import Strategy

    if devices is None:
        devices = 1 if jax.default_backend() == "cpu" else jax.local_device_count()
    if order == "measured":
        memory = None if cache is None else cache / "strategies.json"
        tell = partial(click.echo, err=True)
        return partial(studies.measured_strategy, memory=memory, devices=devices, tell=tell)
    fixed = Strategy(order=cast("Order", order), devices=devices)
    return lambda study, data: fixed
