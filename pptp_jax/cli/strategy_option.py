"""The option for the training strategy, and a probe of its speed."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pptp_jax.cli.output import log

if TYPE_CHECKING:
    from pptp_jax.study import Study
    from pptp_jax.study.run import Chooser
    from pptp_jax.training import Probe, Strategy
    from pptp_jax.training.strategy import Order


def chooser(
    order: str, devices: int | None, cache: Path | None, data_devices: int = 1
) -> "Chooser":
    """The function that chooses the strategy of a study's fleets.

    Args:
        order: how the models of a fleet are trained, or `measured`.
        devices: over how many devices; None takes all of this process that are no CPU.
        cache: the directory where measured strategies are remembered; None remembers nothing.
        data_devices: how many devices share a model's batches.
    """
    from pptp_jax import study as studies
    from pptp_jax.training import Strategy

    devices = _devices(devices, data_devices)
    if order == "measured":
        memory = None if cache is None else cache / "strategies.json"
        return partial(
            studies.measured_strategy,
            memory=memory,
            devices=devices,
            data_devices=data_devices,
            log=log,
        )
    fixed = Strategy(order=cast("Order", order), devices=devices, data_devices=data_devices)
    return lambda study, data: fixed


def probed(
    study: "Study", order: str, devices: int | None, data_devices: int = 1
) -> tuple["Strategy", "Probe"]:
    """The strategy for a study, and the speeds that a probe measures now."""
    from pptp_jax import study as studies
    from pptp_jax.data import Arrays
    from pptp_jax.training import Strategy, fastest_strategy

    devices = _devices(devices, data_devices)
    study, loaded = studies.prepared(study)
    data = Arrays.of(loaded)
    models = study.split.models
    probe = fastest_strategy(
        study.model,
        data,
        batch_size=study.batch_size,
        models=models,
        devices=devices,
        data_devices=data_devices,
    )
    if order == "measured":
        return probe.strategy, probe
    return Strategy(order=cast("Order", order), devices=devices, data_devices=data_devices), probe


def compiled_orders(order: str) -> "tuple[Order, ...]":
    """The orders that are compiled where none can be measured: those that a probe would try."""
    return ("vmap", "scan") if order == "measured" else (cast("Order", order),)


def _devices(devices: int | None, data_devices: int) -> int:
    import jax

    if devices is not None:
        return devices
    if jax.default_backend() == "cpu":
        return 1
    return max(1, jax.local_device_count() // data_devices)
