"""The fleets of the speed steps, and how they are timed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from contestants.flax import operations
from contestants.networks import Contestant, Network
from contestants.networks import network as usual
from rows import seconds

from accelerator_steps.comparison import SPEED
from accelerator_steps.recorder import Recorder, Setting, short

A_TRAINING = 100 * 25_000
REPETITIONS = 7
# Steps of a model in a call, and examples in a step: enough that no call is all overhead.
SIZES = {"resnet18": (5, 128), "cnn": (10, 128), "mlp": (20, 64)}


def fleets(setting: Setting) -> Iterator[Network]:
    """The fleets that the options of a step name, as `NETWORK:MODELS`."""
    for option in setting.options:
        name, _, models = option.partition(":")
        steps, batch = SIZES[name]
        if setting.rehearse:
            small = usual(name, max(2, int(models) // 64))
            yield replace(small, steps=1, batch=4, repetitions=1)
        else:
            yield replace(
                usual(name, int(models)), steps=steps, batch=batch, repetitions=REPETITIONS
            )


def title(network: Network) -> str:
    """What rows call a fleet; the same in the steps that are compared."""
    return f"{network.name}, {network.models} models"


def work(show: Recorder, network: Network) -> float | None:
    """The floating-point operations of a call, of all steps and models; None if nobody knows."""
    try:
        # `rows.counted` raises SystemExit where a compiler counts nothing.
        return operations(network) * network.models * network.steps
    except (Exception, SystemExit) as error:
        show.note(f"{network.name}: the operations of a step are not known: {short(error)}")
        return None


def timed(
    show: Recorder, network: Network, name: str, build: Callable[[], Contestant]
) -> Contestant | None:
    """Builds a way to train a fleet, runs it once, and times it.

    What fails is noted, and costs no other way its figures.

    Args:
        show: where the rows go.
        network: the fleet.
        name: that of the rows.
        build: makes the contestant.

    Returns:
        The contestant; None where it failed, or no time was left.
    """
    if show.left < 0:
        show.note(f"{name}: left out, no time")
        return None
    try:
        built = build()
        begun = time.monotonic()
        first = built.run()
        show(f"{name}: first call", time.monotonic() - begun, "s")
        if not np.isfinite(first).all():
            show.note(f"{name}: some losses are not finite")
        taken: list[float] = []
        while len(taken) < network.repetitions and (not taken or show.left > 0):
            taken.append(seconds(built.run))
    except Exception as error:  # out of memory, or a compiler that does not know something
        show.note(f"{name}: {short(error)}")
        return None
    examples = network.models * network.steps * network.batch
    speed = examples / np.array(taken)
    show(name, speed, SPEED)
    show(f"{name}: trainings", 3600 * speed / A_TRAINING, "models/h")
    return built


def share(show: Recorder, name: str, network: Network, done: float | None, peak: float) -> None:
    """The share of the matmul peak, of a way that has been timed."""
    speeds = [row for row in show.rows if row.name == name and row.unit == SPEED]
    if done is None or not speeds:
        return
    examples = network.models * network.steps * network.batch
    [row] = speeds
    found = [value * done / examples / peak for value in (row.low, row.value, row.high)]
    show(f"{name}: share of the matmul peak", found, "", "matmul")
