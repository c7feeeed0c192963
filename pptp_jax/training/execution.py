"""The execution of a fleet's training: groups, checkpoints and callbacks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from pptp_jax.models import Variables
from pptp_jax.training.checkpoint import Checkpoint
from pptp_jax.training.strategy import Strategy

Group = tuple[int, ...]


class Progress(NamedTuple):
    """The progress of a fleet.

    Attributes:
        models: the models whose training has ended.
        training: the models that are being trained.
        epoch: the epochs that these have behind them.
        loss: the mean of their losses in the last epoch.
    """

    models: int
    training: int
    epoch: int
    loss: float


class Branch(NamedTuple):
    """Models at the end of a phase that several recipes share.

    Attributes:
        phases: how many phases are behind them; the last of them may go on in the recipe that
            leaves them.
        variables: their networks, stacked.
        losses: their losses in the epochs behind them.
        kept: what they were after the epochs that the recipe keeps, as `Recipe.kept` has them.
    """

    phases: int
    variables: Variables
    losses: Float[Array | np.ndarray, "models epochs"]
    kept: tuple[Variables, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a fleet is executed; no field but `start` changes a number, up to rounding.

    Attributes:
        groups: the models in groups; None puts as many together as fit the device's memory.
        strategy: how a group is trained; None is `usual_strategy()`.
        width: the number of models that every group is filled up to; None is that of the largest.
        checkpoint: where a group keeps its state on the way, process 0 alone where processes train
            together; None keeps none.
        start: where a group begins if it has no state; None, or what gives None, begins at the
            beginning. With no phase behind it, the first phase goes on from given networks.
        on_progress: is given the progress after each epoch.
        on_epoch: is given the group, the epochs behind it and its networks after each epoch, before
            the state is saved; not while an ensemble stands in their place. What it keeps it must
            copy: the next epoch reuses the memory.
        on_phase: is given the group and where it stands after each phase, and after the epochs of
            `branch_after`; what it keeps it must copy.
        branch_after: epochs within phases after which another recipe goes on from these networks.
        stop: whether to stop, called after each epoch; one process that returns True is enough.

    Examples:
        >>> Execution(groups=[(0, 1), (2,)]).width is None
        True
    """

    groups: list[Group] | None = None
    strategy: Strategy | None = None
    width: int | None = None
    checkpoint: Callable[[Group], Checkpoint] | None = None
    start: Callable[[Group], Branch | None] = lambda group: None
    on_progress: Callable[[Progress], None] = lambda progress: None
    on_epoch: Callable[[Group, int, Variables], None] = lambda group, epochs, variables: None
    on_phase: Callable[[Group, Branch], None] = lambda group, branch: None
    branch_after: frozenset[int] = frozenset()
    stop: Callable[[], bool] = lambda: False
