"""The two axes of a device mesh: models and data.

Models exchange nothing, so their axis is the mapped one of `jax.shard_map`. The axis of a batch is
left to XLA: a step says where its batch lies and what every device needs entire, and is otherwise
written for one device. So gradients, batch norm, losses that compare examples and sums of clipped
gradients are those of the entire batch, whatever the objective.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.sharding import PartitionSpec

from pptp_jax.validation import Refused

MODELS, DATA = "models", "data"


def over_data(batch: Any) -> Any:
    """Shares a batch among the devices of the mesh's axis `data`; does nothing without one.

    Args:
        batch: arrays with a leading axis of examples.

    Raises:
        ValueError: if the devices cannot have equal parts.

    Examples:
        >>> import jax.numpy as jnp
        >>> print(over_data(jnp.arange(3)))
        [0 1 2]
    """
    if not _shares():
        return batch
    devices = jax.sharding.get_abstract_mesh().shape[DATA]
    check_shares(devices, *{len(leaf) for leaf in jax.tree.leaves(batch)})
    return jax.lax.with_sharding_constraint(batch, PartitionSpec(DATA))


def on_every_device(tree: Any) -> Any:
    """Keeps arrays entire on each device that shares a batch; does nothing where none is shared."""
    return jax.lax.with_sharding_constraint(tree, PartitionSpec()) if _shares() else tree


def map_clients(function: Callable[..., Any], in_axes: Sequence[int | None]) -> Callable[..., Any]:
    """Maps a function of one client; devices that share a model take equal parts of its clients.

    Each device runs its clients alone: nothing in them is spread over the axis `data`.

    Args:
        function: takes and returns pytrees of arrays.
        in_axes: for each argument 0 if it has an axis of clients, None if they share it.

    Examples:
        >>> import jax.numpy as jnp
        >>> print(map_clients(lambda x, by: x * by, (0, None))(jnp.arange(3), 2))
        [0 2 4]
    """
    mapped = jax.vmap(function, in_axes=tuple(in_axes))
    if not _shares():
        return mapped
    spread = PartitionSpec(DATA)
    return jax.shard_map(
        mapped,
        in_specs=tuple(PartitionSpec() if axis is None else spread for axis in in_axes),
        out_specs=spread,
        axis_names={DATA},
        check_vma=False,
    )


def check_shares(devices: int, *batches: int) -> None:
    """Refuses a batch that devices cannot share in equal parts.

    Raises:
        ValueError: naming both numbers.

    Examples:
        >>> check_shares(4, 50)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: 4 devices cannot share a batch of 50 in equal parts: take a ...
    """
    for batch in batches:
        if batch % devices:
            raise Refused(
                f"{devices} devices cannot share a batch of {batch} in equal parts: take a "
                f"batch_size that {devices} divides, or other data_devices"
            )


def data_devices() -> int:
    """How many devices share a batch: those of the mesh's axis `data`, or 1 without one.

    Examples:
        >>> data_devices()
        1
    """
    return jax.sharding.get_abstract_mesh().shape[DATA] if _shares() else 1


def _shares() -> bool:
    return DATA in jax.sharding.get_abstract_mesh().auto_axes
