"""What training carries from step to step."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pptp_jax.models import Variables


class Memory(NamedTuple):
    """What a phase has to remember besides the network.

    Attributes:
        objectives: what each objective has learned itself, by region.
        teacher: the teacher's answers, one row an example in the order of the phase's examples;
            None without a teacher.
        vulnerable: booleans for all weights, True for those that stay at their initial values; None
            if there are none.
    """

    objectives: Mapping[str, Any]
    teacher: Any
    vulnerable: Any


class TrainState(NamedTuple):
    """A network on its way; in a phase with an ensemble, all leaves with an axis of sub-models."""

    variables: Variables
    opt_state: Any
    memory: Memory
