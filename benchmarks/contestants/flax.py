"""JAX as one would write it first: Flax's own layers, mapped over models or called in a loop.

The networks have the parameters of ours, name by name.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from rows import counted

from contestants.networks import MOMENTUM, RATE, Contestant, Network


def _conv(width: int, size: int = 3, stride: int = 1, **options: Any) -> nn.Conv:
    return nn.Conv(width, (size, size), stride, padding=size // 2, **options)


def _norm(name: str) -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=False, momentum=0.9, name=name)


class Mlp(nn.Module):
    """600-512-256-100 with tanh."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The logits."""
        x = nn.tanh(nn.Dense(512, name="stem")(x))
        x = nn.tanh(nn.Dense(256, name="stage1")(x))
        return nn.Dense(100, name="head")(x)


class Cnn(nn.Module):
    """Convolutions 16-32-64 with max-pooling, dense 128-10."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The logits."""
        for name, width in (("stem", 16), ("stage1", 32), ("stage2", 64)):
            x = nn.max_pool(nn.relu(_conv(width, name=name)(x)), (2, 2), (2, 2))
        x = nn.relu(nn.Dense(128, name="stage3")(x.reshape(len(x), -1)))
        return nn.Dense(10, name="head")(x)


class NormedConv(nn.Module):
    """A convolution and batch norm."""

    width: int
    size: int = 3
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The maps."""
        x = _conv(self.width, self.size, self.stride, use_bias=False, name="conv")(x)
        return _norm("norm")(x)


class BasicBlock(nn.Module):
    """Two convolutions, each normalised behind."""

    width: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The maps."""
        y = nn.relu(NormedConv(self.width, stride=self.stride, name="conv1")(x))
        y = NormedConv(self.width, name="conv2")(y)
        if x.shape != y.shape:
            x = NormedConv(self.width, 1, self.stride, name="shortcut")(x)
        return nn.relu(x + y)


class WideBlock(nn.Module):
    """Two convolutions, each normalised before."""

    width: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The maps."""
        conv = partial(_conv, self.width, use_bias=False)
        y = nn.relu(_norm("norm1")(x))
        if x.shape[-1] != self.width or self.stride != 1:
            x = conv(1, self.stride, name="shortcut")(y)
        y = nn.relu(_norm("norm2")(conv(3, self.stride, name="conv1")(y)))
        return x + conv(3, 1, name="conv2")(y)


class Stage(nn.Module):
    """Two blocks."""

    block: type[nn.Module]
    width: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The maps."""
        x = self.block(self.width, self.stride, name="block1")(x)
        return self.block(self.width, 1, name="block2")(x)


class Resnet18(nn.Module):
    """The ResNet-18 of CIFAR."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The logits."""
        x = nn.relu(NormedConv(64, name="stem")(x))
        for i, width in enumerate((64, 128, 256, 512), 1):
            x = Stage(BasicBlock, width, 1 if i == 1 else 2, name=f"stage{i}")(x)
        return nn.Dense(10, name="head")(x.mean(axis=(1, 2)))


class Head(nn.Module):
    """A norm, the mean of each map, and a dense layer."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The logits."""
        return nn.Dense(10, name="dense")(nn.relu(_norm("norm")(x)).mean(axis=(1, 2)))


class Wrn16(nn.Module):
    """WRN-16-1."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The logits."""
        x = _conv(16, use_bias=False, name="stem")(x)
        for i, width in enumerate((16, 32, 64), 1):
            x = Stage(WideBlock, width, 1 if i == 1 else 2, name=f"stage{i}")(x)
        return Head(name="head")(x)


MODULES = {"mlp": Mlp(), "cnn": Cnn(), "wrn16": Wrn16(), "resnet18": Resnet18()}


def step(network: Network, x: jax.Array, y: jax.Array, state: Any, rows: jax.Array) -> Any:
    """A step of one model: what it leaves, and the loss."""
    params, stats, trace = state

    def loss(params: Any) -> tuple[jax.Array, Any]:
        module, variables = MODULES[network.name], {"params": params, **stats}
        logits, changed = module.apply(variables, x[rows], mutable=list(stats))
        logs = jnp.take_along_axis(jax.nn.log_softmax(logits), y[rows][:, None], axis=1)
        return -logs.mean(), changed

    (value, stats), grads = jax.value_and_grad(loss, has_aux=True)(params)
    trace = jax.tree.map(lambda t, g: MOMENTUM * t + g, trace, grads)
    params = jax.tree.map(lambda p, t: p - RATE * t, params, trace)
    return (params, stats, trace), value


def _begin(network: Network) -> tuple[Any, Any]:
    """The step on the network's data, and what all models begin with."""
    own = partial(step, network, *map(jnp.asarray, network.data))
    params, stats = network.start
    return own, (params, stats, jax.tree.map(jnp.zeros_like, params))


def vmapped(network: Network) -> Contestant:
    """All models at once, in a scan over steps."""
    own, state = _begin(network)
    batches = jnp.asarray(network.batches)
    scanned = jax.jit(jax.vmap(lambda state, rows: jax.lax.scan(own, state, rows)))

    def run() -> np.ndarray:
        nonlocal state
        state, losses = scanned(state, batches)
        return np.asarray(losses.mean(axis=1))

    return Contestant(run)


def looped(network: Network) -> Contestant:
    """A jitted step that Python calls, one model after another."""
    own, fleet = _begin(network)
    jitted, batches = jax.jit(own), jnp.asarray(network.batches)
    states = [jax.tree.map(lambda leaf, i=i: leaf[i], fleet) for i in range(network.models)]

    def run() -> np.ndarray:
        losses = []
        for i, rows in enumerate(batches):
            for batch in rows:
                states[i], loss = jitted(states[i], batch)
                losses.append(loss)
        return np.asarray(losses).reshape(network.models, -1).mean(axis=1)

    return Contestant(run)


def operations(network: Network) -> float:
    """The floating-point operations of a step of one model, as XLA counts them."""
    own, fleet = _begin(network)
    state = jax.tree.map(lambda leaf: leaf[0], fleet)
    lowered = jax.jit(own).lower(state, jnp.asarray(network.batches[0, 0]))
    return float(counted(lowered)["flops"])
