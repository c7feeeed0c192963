"""The phases of a recipe as optax transforms, for a training loop of one's own."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import optax

from pptp_jax.objectives import TaskLoss
from pptp_jax.regions import RegionMap
from pptp_jax.training.gradient_rules import Private
from pptp_jax.training.optimizer import Optimizer, Scheduled, phase_optimizer
from pptp_jax.training.phase import WHOLE, Phase
from pptp_jax.training.phase_transform import transform
from pptp_jax.transforms import rewind_region
from pptp_jax.validation import Refused, one_of
from pptp_jax.validation.faults import faults


class LoopPhase(NamedTuple):
    """A phase of a recipe, for any loop and any pytree of parameters.

    Attributes:
        epochs: the passes over the members.
        transform: what the phase makes of the gradients; its state begins with the phase. Noise
            draws from a `key`, a keyword of `update`.
        start: `start(params, initial) -> params`, the parameters with which the phase begins, given
            those that the phase before has left and the initial ones.
    """

    epochs: int
    transform: optax.GradientTransformationExtraArgs
    start: Callable[[Any, Any], Any]


def loop_phases(
    phases: Sequence[Phase],
    optimizer: Optimizer,
    regions: RegionMap | None,
    steps_per_epoch: int | None,
) -> list[LoopPhase]:
    """The phases of a recipe, as `Recipe.transforms` gives them.

    Raises:
        ValueError: if a phase asks for more than transforms can do, names a region that the map
            does not have, or the optimiser needs the number of steps.
    """
    if steps_per_epoch is None and not isinstance(optimizer, optax.GradientTransformation):
        raise Refused(
            "this optimizer makes its schedule from the number of steps: give steps_per_epoch, or "
            "an optax transform such as optax.adam(1e-3)"
        )
    found, rule = [], phase_optimizer(optimizer)
    for phase in phases:
        _check(phase, regions)
        if not isinstance(rule, Scheduled) and (phase.schedule, phase.weight_decay) != (None, None):
            raise Refused(
                "a phase has a schedule or a weight decay of its own, which only SGD(...) and "
                "AdamW(...) can take"
            )
        epochs = int(phase.epochs)
        own = transform(rule, phase, epochs * (steps_per_epoch or 1), regions, None, 1)
        found.append(LoopPhase(epochs, own, partial(_start, phase, regions)))
    return found


def _start(phase: Phase, regions: RegionMap | None, params: Any, initial: Any) -> Any:
    if phase.from_scratch:
        return initial
    for label in phase.rewound:
        assert regions is not None  # checked
        params = rewind_region(params, initial, regions, label)
    return params


def _check(phase: Phase, regions: RegionMap | None) -> None:
    for label in phase.named:
        if regions is None:
            raise Refused(f"a phase names the region {label!r}: give a region map")
        one_of(regions.names, region=label)
    by_region = isinstance(phase.objectives, Mapping)
    beyond = {
        "an objective a region": by_region,
        "an objective other than the loss of the loop": not by_region
        and not isinstance(phase.by_region[WHOLE], TaskLoss),
        "statistics of batch norm that stay": bool(phase.fixed_statistics),
        "DP-SGD": isinstance(phase.gradient, Private),
        "vulnerable weights": phase.rewound_weights is not None,
        "an ensemble": phase.ensemble is not None,
        "a fork": phase.fork is not None,
        "clients": phase.clients is not None,
        "an average of networks": phase.average is not None,
        "regions that go back to an earlier epoch": bool(phase.restored),
        "reference examples": phase.examples == "reference",
    }
    if found := faults(beyond):
        raise Refused(
            f"transforms change the gradients of a loop of your own and no more; a phase has "
            f"{found}: train it by train_fleet"
        )
