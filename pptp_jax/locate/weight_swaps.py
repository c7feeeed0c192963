"""Swap blocks between models, and take the signals of the result.

Which blocks are exchanged is an argument of the compiled program, not a part of it: all regions of
a network share one.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Shaped

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32, recompute_statistics
from pptp_jax.models.blocks import block_numbers
from pptp_jax.signals import collect, utility


def exchanged(params: Any, donor: Any, numbers: Any, chosen: Bool[Array, " blocks"]) -> Any:
    """The parameters with some blocks replaced by another model's.

    Args:
        params: the parameters.
        donor: another tree of the same structure and shapes.
        numbers: the number of each parameter's block.
        chosen: the blocks that are replaced.

    Examples:
        >>> numbers = {"stem": 0, "head": 1}
        >>> own, donor = {"stem": 1.0, "head": 2.0}, {"stem": 5.0, "head": 6.0}
        >>> found = exchanged(own, donor, numbers, jnp.array([True, False]))
        >>> print(found["stem"], found["head"])
        5.0 2.0
    """
    return jax.tree.map(
        lambda number, own, other: jnp.where(chosen[number], other, own), numbers, params, donor
    )


@jax.jit
@full_float32
def signals_after_exchange(
    model: Model,
    fleet: Variables,
    donors: Any,
    chosen: Bool[Array, " blocks"],
    data: Arrays,
    batches: Int[Array, "models batches batch"],
) -> tuple[Shaped[Array, "models ..."], ...]:
    """φ and the utility, of a fleet with some blocks from another one; log p without classes.

    Batch-norm statistics are recomputed, also where nothing is exchanged: what differs between two
    fleets then is their parameters' doing alone.

    Args:
        model: the model.
        fleet: the variables of some models, stacked.
        donors: the parameters of as many models.
        chosen: the blocks that are exchanged.
        data: the examples.
        batches: members of each model, from which the statistics are taken.
    """
    numbers = block_numbers(model, fleet.params)

    def one(
        own: Variables, donor: Any, rows: Int[Array, "batches batch"]
    ) -> tuple[Shaped[Array, "..."], ...]:
        params = exchanged(own.params, donor, numbers, chosen)
        variables = recompute_statistics(model, Variables(params, own.state), rows, data.inputs)
        task = model.task
        wanted = [task.signal("confidence"), utility(task)]
        if not task.classes:  # where log p is that of a label, it follows from φ
            wanted.append(task.signal("log_prob"))
        seen = collect(model.answering(variables), data, task=task, signals=wanted)
        return tuple(seen[signal.name] for signal in wanted)

    return jax.vmap(one)(fleet, donors, batches)
