"""The outputs of a network in eval mode."""

from typing import Any

import jax
from jaxtyping import Array, Int

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.tasks import Batch


@full_float32
def eval_outputs(
    model: Model, variables: Variables, data: Arrays, rows: Int[Array, " rows"] | slice
) -> Any:
    """The outputs for some examples, with no dropout and no batch's statistics.

    Args:
        model: the network.
        variables: its parameters and state.
        data: the data set.
        rows: where the examples stand.
    """
    batch = Batch(data.inputs(rows), data.targets(rows))
    outputs, _ = model.task.outputs(model, variables, batch, train=False, key=None)
    return outputs


def outputs_shape(model: Model, variables: Variables, data: Arrays) -> Any:
    """The shapes of a network's outputs for one example; nothing is computed."""
    return jax.eval_shape(lambda own: eval_outputs(model, own, data, slice(0, 1)), variables)
