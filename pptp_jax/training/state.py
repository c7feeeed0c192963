"""The state of training between steps."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pptp_jax.models import Variables
from pptp_jax.training.averages import Averaged
from pptp_jax.training.side_by_side import Fork


class Server(NamedTuple):
    """The server of a federation.

    Attributes:
        params: its parameters, with which clients begin a round.
        opt_state: its optimiser's state by region.
    """

    params: Any
    opt_state: Mapping[str, Any]


class Memory(NamedTuple):
    """The state of a phase besides the network.

    Attributes:
        objectives: what each objective has learned itself, by region.
        teacher: the teacher's answers, one row an example in the order of the phase's examples;
            None without a teacher.
        vulnerable: booleans for all weights, True for those that stay at their initial values; None
            if there are none.
        average: the average of the networks so far; None without one.
        server: the server of a federation; None without one.
    """

    objectives: Mapping[str, Any]
    teacher: Any
    vulnerable: Any
    average: Averaged | None = None
    server: Server | None = None


class TrainState(NamedTuple):
    """The state of a network in training.

    In a phase with an ensemble, a fork or clients all leaves but the server's have an axis of
    sub-models, copies or clients.
    """

    variables: Variables
    opt_state: Any
    memory: Memory

    def left(self, fork: Fork | None = None, axis: int = 0) -> Variables:
        """The network if the phase ended now; all sub-models of an ensemble.

        That of clients is the server's network.

        Args:
            fork: the fork of the phase; None without one.
            axis: that of its copies.
        """
        if self.memory.server is not None:
            return self.variables._replace(params=self.memory.server.params)
        average = self.memory.average
        found = self.variables if average is None else average.variables
        if fork is None:
            return found
        return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=axis).astype(leaf.dtype), found)
