"""The networks, how much of each is trained, and from where.

Sizes differ on a CPU and on anything else. All contestants begin with the same parameters and take
the same batches in the same order, so that their losses must agree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.models import Model, Variables, cnn, from_linen, mlp, resnet18
from pptp_jax.models.wide_resnet import WideResNet
from pptp_jax.training.keys import initial_key, order_key
from pptp_jax.training.strategy import Order

EXAMPLES, RATE, MOMENTUM = 1280, 0.05, 0.9


class Contestant(NamedTuple):
    """A way to train a fleet.

    Attributes:
        run: takes all steps of all models, from where the last call ended; returns the mean loss
            of each model, when it is there.
        compiling: the seconds that compilation took; 0 where there is none or it was not seen.
        memory: the bytes that the compiler plans for a device; 0 where it was not measured.
    """

    run: Callable[[], np.ndarray]
    compiling: float = 0.0
    memory: int = 0


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network, and how much of it is trained.

    Attributes:
        name: its name here.
        model: the network, as ours.
        shape: that of an example.
        classes: the number of classes.
        models: how many are trained.
        steps: how many steps of each.
        batch: the examples in a step.
        repetitions: how often it is timed.
        orders: the strategies of ours.
        naive: whether naive vmap ends in reasonable time.
    """

    name: str
    model: Model
    shape: tuple[int, ...]
    classes: int
    models: int
    steps: int
    batch: int = 64
    repetitions: int = 15
    orders: tuple[Order, ...] = ("vmap", "scan", "unrolled")
    naive: bool = True

    @property
    def images(self) -> bool:
        """Whether examples are images."""
        return len(self.shape) == 3

    @property
    def on_cpu(self) -> bool:
        """Whether JAX runs on a CPU; then PyTorch does, too."""
        return jax.default_backend() == "cpu"

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Random examples, channels last."""
        draw = np.random.default_rng(0)
        x = draw.standard_normal((EXAMPLES, *self.shape), np.float32)
        return x, draw.integers(self.classes, size=EXAMPLES)

    @cached_property
    def keys(self) -> jax.Array:
        """Each model's own key."""
        return jax.random.split(jax.random.key(0), self.models)

    @cached_property
    def members(self) -> np.ndarray:
        """Each model's own members, (models, members)."""
        rows = np.arange(self.steps * self.batch)
        return np.stack([(rows + i) % EXAMPLES for i in range(self.models)])

    @cached_property
    def batches(self) -> np.ndarray:
        """The same in the order in which ours takes them, (models, steps, batch)."""

        def order(key: jax.Array) -> jax.Array:
            shuffle = order_key(key, jnp.int32(0))
            return jax.random.permutation(shuffle, self.members.shape[1])

        orders = np.asarray(jax.vmap(order)(self.keys))
        rows = np.take_along_axis(self.members, orders, axis=1)
        return rows.reshape(self.models, self.steps, self.batch)

    @cached_property
    def start(self) -> Variables:
        """The parameters and the state that all models begin with, with an axis of models."""
        x = jnp.zeros((1, *self.shape))
        start = jax.jit(jax.vmap(lambda key: self.model.init(initial_key(key), x)))
        return jax.block_until_ready(start(self.keys))


def wrn16(num_classes: int) -> Model:
    """WRN-16-1: three stages of two blocks, 16, 32 and 64 channels wide."""
    module = WideResNet(16, (16, 32, 64), 2, num_classes, "batch", 0.0)
    return from_linen(module, ["stem", "stage1", "stage2", "stage3", "head"])


MODELS: dict[str, tuple[Model, tuple[int, ...], int]] = {
    "mlp": (mlp([512, 256], num_classes=100), (600,), 100),
    "cnn": (cnn([16, 32, 64], dense=128, num_classes=10), (32, 32, 3), 10),
    "wrn16": (wrn16(10), (32, 32, 3), 10),
    "resnet18": (resnet18(10), (32, 32, 3), 10),
}
# A CPU would take minutes for a step of naive vmap, and one to compile what is written out.
LARGE: dict[str, Any] = {"orders": ("vmap", "scan"), "naive": False}
ON_CPU: dict[str, dict[str, Any]] = {
    "mlp": {"models": 16, "steps": 8},
    "cnn": {"models": 4, "steps": 8},
    "wrn16": {"models": 2, "steps": 4, "repetitions": 7, **LARGE},
    "resnet18": {"models": 2, "steps": 2, "batch": 16, "repetitions": 5, **LARGE},
}
ELSEWHERE: dict[str, dict[str, Any]] = {
    "mlp": {"models": 64, "steps": 20},
    "cnn": {"models": 64, "steps": 10},
    "wrn16": {"models": 16, "steps": 10},
    "resnet18": {"models": 16, "steps": 5, "repetitions": 7},
}


def network(name: str, models: int | None = None) -> Network:
    """A network in the size for this device, or with another number of models."""
    model, shape, classes = MODELS[name]
    size = (ON_CPU if jax.default_backend() == "cpu" else ELSEWHERE)[name]
    if models is not None:
        size = {**size, "models": models}
    return Network(name=name, model=model, shape=shape, classes=classes, **size)
