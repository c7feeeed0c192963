"""The strategy: how the models of a group share devices. It changes only rounding."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from pptp_jax.training.mesh import DATA, MODELS
from pptp_jax.validation import Refused, at_least, one_of

Order = Literal["vmap", "scan", "unrolled"]


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """In which order, and on which devices, the models of a group are trained.

    Attributes:
        order: `vmap` trains all models at once, as one batch of networks; `scan` one after another
            in a compiled loop; `unrolled` likewise, with the loop written out, which takes
            longer to compile the more models there are.
        devices: over how many of this process's devices the models are spread, in equal parts.
            They exchange nothing.
        data_devices: how many devices share a model: each has a copy of it and an equal part of
            every batch, and they sum up gradients and statistics of batch norm. `devices` of such
            teams are needed. One that is larger than this process has all devices of all processes,
            which then train the same models together.

    Raises:
        ValueError: if there is no such order, or there are fewer devices.

    Examples:
        >>> double = Strategy(order="scan").over_models(lambda x, by: x * by, (0, None))
        >>> print(double(jnp.arange(3), 2))
        [0 2 4]
    """

    order: Order = "vmap"
    devices: int = 1
    data_devices: int = 1

    def __post_init__(self) -> None:
        one_of(("vmap", "scan", "unrolled"), order=self.order)
        at_least(1, devices=self.devices, data_devices=self.data_devices)
        here, all_of_them = jax.local_device_count(), jax.device_count()
        if not self.together and self._count > here:
            given = f"got {self.devices}"
            if self.data_devices > 1:
                given += f" times {self.data_devices} data_devices"
            others = f", or data_devices all {all_of_them} of all" if all_of_them > here else ""
            raise Refused(f"devices must be at most the {here} of this process{others}, {given}")

    @property
    def together(self) -> bool:
        """Whether all processes train the same models."""
        return (
            self.devices == 1
            and self.data_devices > jax.local_device_count()
            and self.data_devices == jax.device_count()
        )

    @property
    def _count(self) -> int:
        return self.devices * self.data_devices

    def filled(self, models: int) -> int:
        """The least number of models, from `models` up, that the devices share in equal parts."""
        return -(-models // self.devices) * self.devices

    def over_models(
        self, function: Callable[..., Any], in_axes: Sequence[int | None]
    ) -> Callable[..., Any]:
        """Maps a function of one model over the leading axis of some of its arguments.

        Args:
            function: takes and returns pytrees of arrays.
            in_axes: for each argument 0 if it has an axis of models, None if the models share it.

        Returns:
            A function to be jitted, whose results have a leading axis of models.
        """
        mapped = _ORDERS[self.order](function, in_axes)
        if self._count == 1:
            return mapped
        return jax.shard_map(
            mapped,
            mesh=self.mesh(),
            in_specs=tuple(PartitionSpec() if axis is None else _SPREAD for axis in in_axes),
            out_specs=_SPREAD,
            axis_names={MODELS},
            check_vma=False,
        )

    def place(self, tree: Any, axis: int | None) -> Any:
        """Places arrays for the mapped function: sharded by model, or on every device.

        All processes give the same where they train together.

        Args:
            tree: arrays, with a leading axis of models where `axis` is 0.
            axis: 0 or None, as in `over_models`.
        """
        if self._count == 1:
            return tree
        spec = PartitionSpec() if axis is None else _SPREAD
        sharding = NamedSharding(self.mesh(), spec)
        if self.together:
            return jax.tree.map(partial(_across, sharding), tree)
        return jax.device_put(tree, sharding)

    def here(self, tree: Any) -> Any:
        """Arrays of all processes, as this process's own; other leaves unchanged."""
        if not self.together:
            return tree
        return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)

    def mesh(self) -> Mesh:
        """The devices, by the axes of models and, where they share batches, of data."""
        devices = jax.devices() if self.together else jax.local_devices()[: self._count]
        if self.data_devices == 1:
            return jax.make_mesh((self.devices,), (MODELS,), (AxisType.Auto,), devices=devices)
        shape, types = (self.devices, self.data_devices), (AxisType.Auto, AxisType.Auto)
        return jax.make_mesh(shape, (MODELS, DATA), types, devices=devices)


def usual_strategy() -> Strategy:
    """The default strategy: one after another on a CPU, all at once on other devices.

    On a CPU a network of its own stays in the caches, and its matrix products are as wide as those
    of many.

    Examples:
        >>> usual_strategy().devices
        1
    """
    return Strategy(order="scan" if jax.default_backend() == "cpu" else "vmap")


_SPREAD = PartitionSpec(MODELS)


def _across(sharding: NamedSharding, leaf: Any) -> jax.Array:
    """An array that all processes have, on the devices of all of them."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_across(sharding, jax.random.key_data(leaf)))
    known = np.asarray(leaf)
    return jax.make_array_from_callback(known.shape, sharding, known.__getitem__)


def _vmap(function: Callable[..., Any], in_axes: Sequence[int | None]) -> Callable[..., Any]:
    return jax.vmap(function, in_axes=tuple(in_axes))


def _scan(function: Callable[..., Any], in_axes: Sequence[int | None]) -> Callable[..., Any]:
    def mapped(*args: Any) -> Any:
        own = [arg for arg, axis in zip(args, in_axes, strict=True) if axis == 0]

        def one(mine: list[Any]) -> Any:
            rest = iter(mine)
            given = zip(args, in_axes, strict=True)
            return function(*(next(rest) if axis == 0 else arg for arg, axis in given))

        return jax.lax.map(one, own)

    return mapped


def _unrolled(function: Callable[..., Any], in_axes: Sequence[int | None]) -> Callable[..., Any]:
    def mapped(*args: Any) -> Any:
        given = list(zip(args, in_axes, strict=True))
        [models, *_] = [len(jax.tree.leaves(arg)[0]) for arg, axis in given if axis == 0]

        def one(model: int) -> Any:
            mine = (
                jax.tree.map(lambda leaf: leaf[model], arg) if axis == 0 else arg
                for arg, axis in given
            )
            return function(*mine)

        results = [one(model) for model in range(models)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)

    return mapped


_ORDERS = {"vmap": _vmap, "scan": _scan, "unrolled": _unrolled}
