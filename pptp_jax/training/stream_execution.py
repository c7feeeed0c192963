"""The execution of a streamed training: devices, checkpoints and callbacks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pptp_jax.training.checkpoint import Checkpoint
from pptp_jax.validation import at_least


class StreamProgress(NamedTuple):
    """The progress of a streamed training.

    Attributes:
        epoch: the number of its epoch in the entire recipe, from 0.
        step: the steps of the epoch that are behind it.
        steps: how many steps the epoch has.
        loss: their mean cross-entropy.
    """

    epoch: int
    step: int
    steps: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class StreamExecution:
    """How a streamed training is executed; no field changes a number, up to rounding.

    Attributes:
        data_devices: how many devices share the batches, as in `Strategy`: as many as all
            processes have, if there are several.
        every: after this number of steps, and at the end of an epoch, it reports, saves and may
            stop.
        checkpoint: keeps the state on the way, in a directory named after what the training depends
            on, so that another one does not go on from there; None keeps none. Where processes
            share the model, they must see the same directory, and process 0 alone writes.
        on_progress: receives how far it is.
        stop: whether to stop; the word of one process is enough.

    Raises:
        ValueError: if `every` is out of range.

    Examples:
        >>> StreamExecution(data_devices=2).every
        100
    """

    data_devices: int = 1
    every: int = 100
    checkpoint: Checkpoint | None = None
    on_progress: Callable[[StreamProgress], None] = lambda progress: None
    stop: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        at_least(1, every=self.every)
