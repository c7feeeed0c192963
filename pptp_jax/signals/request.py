"""A request for a signal: some models of a fleet, and the examples it is taken on."""

from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables
from pptp_jax.tasks import Batch


class SignalRequest(NamedTuple):
    """Some models, stacked, and the examples that a signal is taken on.

    Attributes:
        model: the network.
        fleet: the variables of the models, stacked.
        numbers: which models of the entire fleet these are.
        data: the examples.
        rows: which of them.
        key: what draws derive from; the same for all models.
    """

    model: Model
    fleet: Variables
    numbers: tuple[int, ...]
    data: Arrays
    rows: Int[Array, " examples"]
    key: Key[Array, ""]


def negative_log_prob(
    model: Model, own: Variables, x: Shaped[Array, "..."], targets: Any
) -> Float[Array, ""]:
    """−log p of one example, to full precision where the task's loss would be rounded to 0.

    Args:
        model: the network, in eval mode.
        own: its variables.
        x: the example's inputs.
        targets: its targets.
    """
    batch = jax.tree.map(lambda leaf: leaf[None], Batch(x, targets))
    outputs, _ = model.task.outputs(model, own, batch, train=False, key=None)
    return -model.task.log_prob(outputs, batch.targets)[0]


def correct(
    model: Model, own: Variables, x: Float[Array, "batch ..."], targets: Any
) -> Bool[Array, " batch"]:
    """Whether a classifier says the label of one example for each of several inputs.

    Args:
        model: the network, in eval mode.
        own: its variables.
        x: the inputs.
        targets: the example's label.
    """
    outputs, _ = model.apply(*own, x, train=False, key=None)
    return model.task.utility(outputs, targets).astype(bool)
