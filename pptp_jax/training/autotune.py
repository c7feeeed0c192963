"""Choose the fastest strategy for a model by timing a few steps."""

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.data import Arrays
from pptp_jax.models import Model
from pptp_jax.tasks import Batch
from pptp_jax.training.batched_programs import GroupRules, epoch_of_group, start_group
from pptp_jax.training.memory import fitting_chunk
from pptp_jax.training.mesh import check_shares
from pptp_jax.training.optimizer import SGD
from pptp_jax.training.recipes import undefended
from pptp_jax.training.strategy import Order, Strategy
from pptp_jax.training.trainer import Trainer
from pptp_jax.validation import at_least

# Written out, the loop compiles the longer the more models there are, and was never faster by much.
_TRIED: tuple[Order, ...] = ("vmap", "scan")
_STEPS, _REPEATS, _MODELS = 4, 3, 16
# The floating-point operations of one timed run, at most: seconds on either kind of device.
_WORK_CPU, _WORK = 3e11, 3e13


class Probe(NamedTuple):
    """The result of a probe.

    Attributes:
        strategy: the fastest.
        speeds: the training examples a second in each order, over all models.
    """

    strategy: Strategy
    speeds: dict[Order, float]


def fastest_strategy(
    model: Model,
    data: Arrays,
    *,
    batch_size: int = 64,
    models: int = 16,
    devices: int = 1,
    data_devices: int = 1,
) -> Probe:
    """Times plain training of some models for four steps in each order, compilation left out.

    As many are timed at once as fit the memory. A network so large that this would take minutes is
    timed with fewer models, two at least, and fewer steps: it fills the device by itself.

    Args:
        model: what will be trained.
        data: what on.
        batch_size: the examples in a step.
        models: how many models there will be; at most 16 a device are timed.
        devices: over how many devices they will be spread.
        data_devices: how many devices share a model's batches.

    Raises:
        ValueError: if a number is below 1, there are fewer devices, or they cannot share a batch in
            equal parts.

    Examples:
        >>> from pptp_jax import data, models
        >>> digits = Arrays.of(data.Digits().load())
        >>> probe = fastest_strategy(models.mlp([16], num_classes=10), digits, models=4)
        >>> probe.strategy.order == max(probe.speeds, key=probe.speeds.get)
        True
    """
    at_least(1, batch_size=batch_size, models=models)
    strategies = [
        Strategy(order=order, devices=devices, data_devices=data_devices) for order in _TRIED
    ]
    check_shares(data_devices, batch_size)
    most = min(models, _MODELS * devices)
    speeds: dict[Order, float] = {}
    for strategy in strategies:
        size, steps = _portion(model, data, batch_size, most, strategy)
        seconds = _seconds(model, data, batch_size, size, steps, strategy)
        speeds[strategy.order] = size * steps * batch_size / seconds
    return Probe(max(strategies, key=lambda strategy: speeds[strategy.order]), speeds)


def _portion(
    model: Model, data: Arrays, batch_size: int, most: int, strategy: Strategy
) -> tuple[int, int]:
    """The number of models and steps to time."""
    limit = _WORK_CPU if jax.default_backend() == "cpu" else _WORK
    work = max(1.0, _work(model, data, batch_size))
    fitting = fitting_chunk(model, data, batch_size, most, strategy=strategy)
    least = min(2, fitting)  # a loop over a single model would be no loop
    steps = int(np.clip(limit // (least * work), 1, _STEPS))
    return strategy.filled(int(np.clip(limit // (steps * work), least, fitting))), steps


def _work(model: Model, data: Arrays, batch_size: int) -> float:
    """The floating-point operations of one step: a forward pass, and twice that for its gradient.

    Not all compilers tell; then none are counted.
    """
    rows = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    x, targets = jax.eval_shape(data.inputs, rows), jax.eval_shape(data.targets, rows)
    seen: Any = rows if model.sees_rows else None
    batch = Batch(x, targets, rows=seen)
    key = jax.eval_shape(lambda: jax.random.key(0))
    forward = jax.jit(lambda m, v, b, k: m.task.outputs(m, v, b, train=True, key=k))
    cost = forward.lower(model, model.shapes(x), batch, key).cost_analysis() or {}
    return 3 * float(cost.get("flops", 0.0))


def _seconds(
    model: Model, data: Arrays, batch_size: int, size: int, steps: int, strategy: Strategy
) -> float:
    """The least time of an epoch of a few steps."""
    rows = jnp.arange(steps * batch_size) % data.examples
    members = strategy.place(jnp.broadcast_to(rows, (size, len(rows))), 0)
    keys = strategy.place(jax.random.split(jax.random.key(0), size), 0)
    trainer, data = strategy.place((Trainer(model, None, batch_size), data), None)
    [phase] = undefended(1).phases
    rules = GroupRules(trainer, SGD(), strategy)
    state = start_group(rules, phase, None, keys, data, members, None)
    times = []
    for _ in range(1 + _REPEATS):
        began = time.perf_counter()
        state, loss = epoch_of_group(rules, phase, state, data, members, keys, 0, 0)
        jax.block_until_ready(loss)
        times.append(time.perf_counter() - began)
    return min(times[1:])  # the first one compiles
