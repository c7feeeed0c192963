"""Group the models of a fleet: as many side by side as fit the device's memory."""

import math
import os
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.data import Arrays
from pptp_jax.models import Model
from pptp_jax.tasks import Batch
from pptp_jax.training.strategy import Strategy, usual_strategy
from pptp_jax.validation import at_least

# What a fleet may take of a device's memory; the rest is the data's and the compiler's.
_MEMORY_SHARE = 0.5


def chunks(models: int, size: int, processes: int = 1) -> list[tuple[int, ...]]:
    """The models in groups of at most `size`, as even as can be.

    Args:
        models: how many there are.
        size: how many there are in a group, at most.
        processes: among how many the groups are dealt out; all get as many, if there are enough.

    Examples:
        >>> chunks(5, 2)
        [(0, 1), (2, 3), (4,)]
        >>> chunks(5, 5, processes=2)
        [(0, 1, 2), (3, 4)]
    """
    at_least(1, models=models, chunk=size, processes=processes)
    count = math.ceil(math.ceil(models / size) / processes) * processes
    size = math.ceil(models / count)
    return [tuple(range(start, min(start + size, models))) for start in range(0, models, size)]


def fitting_chunk(
    model: Model,
    data: Arrays,
    batch_size: int,
    models: int,
    networks: int = 1,
    strategy: Strategy | None = None,
    device_memory: int | None = None,
) -> int:
    """How many models fit the device's memory at once, at least one and at most `models`.

    What they need is taken to be as `needed_memory` has it.

    Args:
        model: what is trained.
        data: the data set.
        batch_size: the examples in a step.
        models: how many there are.
        networks: how many networks a recipe trains side by side for one model.
        strategy: how they are trained; None is `usual_strategy()`.
        device_memory: the bytes of a device that is not there; None looks at those that are.

    Examples:
        >>> from pptp_jax import data, models
        >>> digits = Arrays.of(data.Digits().load())
        >>> fitting_chunk(models.mlp([16], num_classes=10), digits, batch_size=64, models=16)
        16
    """
    strategy = usual_strategy() if strategy is None else strategy
    kept, passing = _of_one(model, data, batch_size, networks, strategy.data_devices)
    memory = memory_for_models() if device_memory is None else device_memory * _MEMORY_SHARE
    memory, teams = memory - _total(model.shared), 1
    if device_memory is not None or jax.default_backend() != "cpu":  # whose devices share it
        memory, teams = memory * strategy.data_devices, strategy.devices
    if strategy.order == "vmap":
        size = memory // (kept + passing)
    else:
        size = (memory - strategy.devices // teams * passing) // kept
    return int(np.clip(size * teams, 1, models))


def needed_memory(
    model: Model,
    data: Arrays,
    batch_size: int,
    models: int,
    networks: int = 1,
    strategy: Strategy | None = None,
) -> int:
    """The bytes that models trained side by side are predicted to need, besides the data.

    A network is taken to need its parameters four times over (themselves, gradients, momentum and
    updates) and, while it is worked on, everything that its forward pass computes for a batch twice
    over. Each of the devices that share a batch has its own copy of the network and its part of the
    batch; and each device has the weights that all models share.

    Args:
        model: what is trained.
        data: the data set.
        batch_size: the examples in a step.
        models: how many there are, on all devices together, whose memory is counted together, too.
        networks: how many networks a recipe trains side by side for one model.
        strategy: how they are trained; None is `usual_strategy()`.

    Examples:
        >>> from pptp_jax import data, models
        >>> digits, mlp = Arrays.of(data.Digits().load()), models.mlp([16], num_classes=10)
        >>> scan, vmap = Strategy(order="scan"), Strategy(order="vmap")
        >>> [needed_memory(mlp, digits, 64, 8, strategy=order) for order in (scan, vmap)]
        [222672, 697216]
    """
    strategy = usual_strategy() if strategy is None else strategy
    kept, passing = _of_one(model, data, batch_size, networks, strategy.data_devices)
    at_once = models if strategy.order == "vmap" else strategy.devices
    copies = strategy.devices * strategy.data_devices
    return models * kept + passing * at_once + copies * _total(model.shared)


def _of_one(
    model: Model, data: Arrays, batch_size: int, networks: int, shares: int
) -> tuple[int, int]:
    """The bytes that one model needs all the time, and additionally while it trains.

    They are those of all devices that share it, each of which has its part of a batch.
    """
    part = -(-batch_size // shares)
    places = jax.ShapeDtypeStruct((part,), jnp.int32)
    x, targets = jax.eval_shape(data.inputs, places), jax.eval_shape(data.targets, places)
    key = jax.eval_shape(lambda: jax.random.key(0))
    variables = jax.eval_shape(model.init, key, x)
    seen: Any = places if model.sees_rows else None
    batch = Batch(x, targets, rows=seen)
    forward = partial(model.task.outputs, model, train=True)
    program = jax.make_jaxpr(lambda v, b, k: forward(v, b, key=k))(variables, batch, key)
    activations = sum(_bytes(out.aval) for eqn in program.eqns for out in eqn.outvars)
    return shares * networks * 4 * _total(variables), shares * networks * 2 * activations


def _total(tree: Any) -> int:
    return sum(map(_bytes, jax.tree.leaves(tree)))


def _bytes(array: Any) -> int:
    return math.prod(array.shape) * getattr(array.dtype, "itemsize", 4)


def memory_for_models() -> float:
    """The bytes of a device's memory that models trained side by side may take."""
    return _memory() * _MEMORY_SHARE


def _memory() -> int:
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("bytes_limit", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
