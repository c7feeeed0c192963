"""Which steps there are, in the order of their value, and how long each may take."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Step:
    """A question, and its budget.

    Attributes:
        name: how the command line and the results call it.
        module: the module of `accelerator_steps` whose `measure` answers it.
        seconds: its share of the time, in seconds of a run of nine minutes.
        options: what `measure` is given besides.
        alone: whether it needs a call of its own: it is run only where it is named, or rehearsed.
    """

    name: str
    module: str
    seconds: float
    options: tuple[str, ...] = ()
    alone: bool = False


STEPS = (
    Step(name="machine", module="machine", seconds=25),
    Step(name="convolutions", module="convolution_forms", seconds=70),
    Step(name="resnet18", module="fleet_speed", seconds=85, options=("resnet18:16",)),
    Step(name="resnet18-pytorch", module="pytorch_speed", seconds=50, options=("resnet18:16",)),
    Step(name="cifar10", module="gpu_study", seconds=100),
    Step(name="images", module="image_study", seconds=50),
    Step(name="cnn", module="fleet_speed", seconds=35, options=("cnn:64",)),
    Step(name="cnn-pytorch", module="pytorch_speed", seconds=30, options=("cnn:64",)),
    Step(name="mlp", module="fleet_speed", seconds=30, options=("mlp:64", "mlp:256")),
    Step(name="tests", module="library_tests", seconds=35),
    Step(name="digits", module="digits_study", seconds=24),
    Step(name="emails", module="emails_study", seconds=480, alone=True),
)
# A step needs this long to load JAX and to measure anything.
LEAST = 5.0


def limits(steps: Sequence[Step], seconds: float) -> list[float]:
    """When each step must have ended, in seconds from the beginning; the last one at the end.

    What a step leaves of its budget goes to those behind it.

    Args:
        steps: the steps, in their order.
        seconds: for all of them.
    """
    whole = sum(step.seconds for step in steps)
    ends, spent = [], 0.0
    for step in steps:
        spent += step.seconds
        ends.append(seconds * spent / whole)
    return ends
