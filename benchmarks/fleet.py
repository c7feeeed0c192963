"""How fast is a fleet trained, next to the ways in which one would train it otherwise?

M models take SGD steps with momentum .9 on batches of 64 of their own, gathered from data that all
share. The networks are the MLP of Purchase-100 (600-512-256-100, tanh) and a CNN (3x3 convolutions
16-32-64, each with max-pooling, dense 128-10, images of 32 x 32 x 3). Ours are trained by each
strategy of `train_fleet`; the others are

- PyTorch, eager, one model after another, with one thread and with all, for the CNN in both memory
  formats: the best of them is the baseline;
- `torch.func`: one vmapped gradient for all models;
- naive vmap: the same network in plain JAX with native convolutions, vmapped in a scan;
- loop: that network's jitted step, called from Python, one model after another.

All are timed in turn, in both orders, after a warm-up; of the ratios of the pairs the median and
the quartiles are given. The matmul peak is that of a product of 1024 x 1024 matrices in the same
run.

    pip install -e '.[bench]' && python benchmarks/fleet.py [--quick] [--json FILE]

`--quick` takes fewer models and repetitions; under a minute.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from pptp_jax.models import Model, cnn, mlp
from pptp_jax.training import SGD, Arrays, Strategy, Trainer, undefended
from pptp_jax.training.group import epoch_of_group, start_group

BATCH, EXAMPLES, RATE, MOMENTUM = 64, 1280, 0.05, 0.9
Seconds = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, its quartiles, and what it is to be compared with."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    baseline: str


@dataclass(frozen=True)
class Network:
    """A network three times: ours, in plain JAX, and in PyTorch."""

    model: Model
    shape: tuple[int, ...]
    classes: int
    convolutions: tuple[int, ...]
    dense: tuple[int, ...]
    models: int
    steps: int

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Random examples, channels last."""
        draw = np.random.default_rng(0)
        x = draw.standard_normal((EXAMPLES, *self.shape), np.float32)
        return x, draw.integers(self.classes, size=EXAMPLES)


NETWORKS = {
    "mlp": Network(
        mlp([512, 256], num_classes=100), (600,), 100, (), (512, 256), models=16, steps=8
    ),
    "cnn": Network(
        cnn([16, 32, 64], dense=128, num_classes=10), (32, 32, 3), 10, (16, 32, 64), (128,), 4, 2
    ),
}


def timed(run: Callable[[], Any], done: Callable[[Any], Any]) -> float:
    """The seconds until a result is there."""
    start = time.perf_counter()
    done(run())
    return time.perf_counter() - start


def ours(network: Network, strategy: Strategy) -> tuple[Seconds, float]:
    """An epoch of a group, and the seconds to compile it."""
    x, y = network.data()
    data = Arrays(jnp.asarray(x), jnp.asarray(y), jnp.float32(1), jnp.arange(0))
    trainer, [phase] = Trainer(network.model, None, BATCH), undefended(1).phases
    rows = np.arange(network.steps * BATCH)
    members = jnp.asarray(np.stack([(rows + i) % EXAMPLES for i in range(network.models)]))
    keys = jax.random.split(jax.random.key(0), network.models)
    state = start_group(
        trainer, strategy, SGD(learning_rate=RATE), phase, None, keys, data, members, None
    )
    start = time.perf_counter()
    lowered = epoch_of_group.lower(
        trainer, strategy, SGD(learning_rate=RATE), phase, state, data, members, keys, 0, 0
    )
    compiled = lowered.compile()
    compiling = time.perf_counter() - start

    def run() -> Any:
        nonlocal state
        state, loss = compiled(SGD(learning_rate=RATE), phase, state, data, members, keys, 0, 0)
        return loss

    return partial(timed, run, jax.block_until_ready), compiling


def plain_apply(network: Network, params: Any, x: jax.Array) -> jax.Array:
    """The network in plain JAX, with native convolutions."""
    kernels, layers = params
    for kernel, bias in kernels:
        dimensions = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dimensions)
        x = jax.nn.relu(x + bias[None, None, None])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = x.reshape(len(x), -1)
    for i, (kernel, bias) in enumerate(layers):
        x = x @ kernel + bias[None]
        if i + 1 < len(layers):
            x = jax.nn.relu(x) if network.convolutions else jnp.tanh(x)
    return x


def plain_params(network: Network, key: jax.Array) -> Any:
    """Its initial values."""
    kernels, channels, side = [], network.shape[-1], network.shape[0]
    for width in network.convolutions:
        key, own = jax.random.split(key)
        kernel = jax.random.normal(own, (3, 3, channels, width)) / np.sqrt(9 * channels)
        kernels.append((kernel, jnp.zeros(width)))
        channels, side = width, side // 2
    layers, size = [], side * side * channels if network.convolutions else side
    for width in (*network.dense, network.classes):
        key, own = jax.random.split(key)
        layers.append((jax.random.normal(own, (size, width)) / np.sqrt(size), jnp.zeros(width)))
        size = width
    return kernels, layers


def plain_step(network: Network, x: Any, y: Any, state: Any, rows: Any) -> tuple[Any, Any]:
    """A step of plain JAX."""

    def loss(params: Any) -> jax.Array:
        logits = jax.nn.log_softmax(plain_apply(network, params, x[rows]))
        return -jnp.take_along_axis(logits, y[rows][:, None], axis=1).mean()

    params, trace = state
    value, grads = jax.value_and_grad(loss)(params)
    trace = jax.tree.map(lambda t, g: MOMENTUM * t + g, trace, grads)
    params = jax.tree.map(lambda p, t: p - RATE * t, params, trace)
    return (params, trace), value


def plain(network: Network, *, vmapped: bool) -> Seconds:
    """Plain JAX: all models in one vmapped scan, or one after another from Python."""
    x, y = map(jnp.asarray, network.data())
    step = partial(plain_step, network, x, y)
    keys = jax.random.split(jax.random.key(0), network.models)
    rows = jnp.arange(network.steps * BATCH).reshape(network.steps, BATCH)
    begin = jax.vmap(partial(plain_params, network))(keys)
    fleet = (begin, jax.tree.map(jnp.zeros_like, begin))
    if vmapped:
        scanned = jax.jit(jax.vmap(lambda state: jax.lax.scan(step, state, rows)))
        return partial(timed, lambda: scanned(fleet), jax.block_until_ready)
    jitted = jax.jit(step)
    single = [jax.tree.map(lambda leaf, i=i: leaf[i], fleet) for i in range(network.models)]

    def loop() -> list[Any]:
        losses = []
        for state in single:
            for own in rows:
                state, loss = jitted(state, own)
            losses.append(loss)
        return losses

    return partial(timed, loop, jax.block_until_ready)


def torch_module(network: Network) -> torch.nn.Module:
    """The network in PyTorch, channels first."""
    parts: list[torch.nn.Module] = []
    channels, side = network.shape[-1], network.shape[0]
    for width in network.convolutions:
        parts += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU()]
        parts += [torch.nn.MaxPool2d(2)]
        channels, side = width, side // 2
    parts.append(torch.nn.Flatten())
    size = side * side * channels if network.convolutions else side
    for width in network.dense:
        act = torch.nn.ReLU() if network.convolutions else torch.nn.Tanh()
        parts += [torch.nn.Linear(size, width), act]
        size = width
    return torch.nn.Sequential(*parts, torch.nn.Linear(size, network.classes))


def torch_data(network: Network, *, channels_last: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The data as PyTorch takes them."""
    x, y = network.data()
    images = torch.from_numpy(np.moveaxis(x, -1, 1).copy() if network.convolutions else x)
    if channels_last:
        images = images.to(memory_format=torch.channels_last)
    return images, torch.from_numpy(y)


def torch_loop(network: Network, threads: int, *, channels_last: bool = False) -> Seconds:
    """PyTorch, one model after another."""
    x, y = torch_data(network, channels_last=channels_last)
    rows = torch.arange(network.steps * BATCH).reshape(network.steps, BATCH)
    modules = [torch_module(network) for _ in range(network.models)]
    if channels_last:
        modules = [module.to(memory_format=torch.channels_last) for module in modules]
    rules = [torch.optim.SGD(m.parameters(), lr=RATE, momentum=MOMENTUM) for m in modules]

    def run() -> None:
        torch.set_num_threads(threads)
        for module, rule in zip(modules, rules, strict=True):
            for own in rows:
                rule.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(module(x[own]), y[own]).backward()
                rule.step()

    return partial(timed, run, lambda nothing: nothing)


def torch_func(network: Network) -> Seconds:
    """PyTorch's ensembles: the gradient of all models at once."""
    x, y = torch_data(network, channels_last=False)
    rows = torch.arange(network.steps * BATCH).reshape(network.steps, BATCH)
    modules = [torch_module(network) for _ in range(network.models)]
    stacked, buffers = torch.func.stack_module_state(modules)
    params = {name: value.detach() for name, value in stacked.items()}
    trace = {name: torch.zeros_like(value) for name, value in params.items()}

    def loss(own: Any, fixed: Any, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        logits = torch.func.functional_call(modules[0], (own, fixed), (images,))
        return torch.nn.functional.cross_entropy(logits, labels)

    gradient = torch.func.vmap(torch.func.grad(loss))

    def run() -> None:
        torch.set_num_threads(os.cpu_count() or 1)
        for own in rows:
            images = x[own].expand(network.models, *x[own].shape)
            labels = y[own].expand(network.models, BATCH)
            for name, value in gradient(params, buffers, images, labels).items():
                trace[name].mul_(MOMENTUM).add_(value)
                params[name].sub_(trace[name], alpha=RATE)

    return partial(timed, run, lambda nothing: nothing)


def operations(network: Network) -> float:
    """The floating-point operations of a step of one model, as the compiler counts them."""
    x, y = map(jnp.asarray, network.data())
    params = plain_params(network, jax.random.key(0))
    step = jax.jit(partial(plain_step, network, x, y))
    lowered = step.lower((params, params), jnp.arange(BATCH))
    return float(lowered.compile().cost_analysis()["flops"])


def peak() -> float:
    """The floating-point operations a second of a large matrix product, the best of ten."""
    a = jnp.ones((1024, 1024))
    product = jax.jit(jnp.matmul)
    product(a, a).block_until_ready()
    times = [timed(lambda: product(a, a), jax.block_until_ready) for _ in range(10)]
    return 2 * 1024**3 / min(times)


def measure(name: str, repetitions: int, show: Callable[[Row], None]) -> None:
    """All rows of one network."""
    network, threads = NETWORKS[name], os.cpu_count() or 1
    runs: dict[str, Seconds] = {}
    for count in sorted({1, threads}):
        runs[f"PyTorch, {count} threads"] = torch_loop(network, count)
        if network.convolutions:
            last = torch_loop(network, count, channels_last=True)
            runs[f"PyTorch, {count} threads, channels last"] = last
    others = [*runs]
    runs |= {"torch.func": torch_func(network), "loop": plain(network, vmapped=False)}
    runs["naive vmap"] = plain(network, vmapped=True)
    for order in ("vmap", "scan", "unrolled"):
        runs[f"ours, {order}"], compiling = ours(network, Strategy(order=order))
        show(Row(name=f"{name}: ours, {order}, compilation", value=compiling, low=compiling,
                 high=compiling, unit="s", baseline="-"))  # fmt: skip
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {what: [] for what in runs}
    for i in range(repetitions):
        for what in list(runs)[:: 1 if i % 2 else -1]:
            times[what].append(runs[what]())
    seen = {what: np.array(values) for what, values in times.items()}
    best = min(others, key=lambda what: float(np.median(seen[what])))
    work = network.models * network.steps
    rates = {what: work * BATCH / values for what, values in seen.items()}
    share = operations(network) * work / peak()
    for what, values in seen.items():
        low, median, high = map(float, np.percentile(rates[what], [25, 50, 75]))
        show(Row(name=f"{name}: {what}", value=median, low=low, high=high, unit="examples/s",
                 baseline="-"))  # fmt: skip
        ratios = {best: seen[best] / values, "naive vmap": seen["naive vmap"] / values}
        for baseline, ratio in ratios.items():
            if what != baseline:
                low, median, high = map(float, np.percentile(ratio, [25, 50, 75]))
                title = f"{name}: {what}, speed over {baseline}"
                show(Row(name=title, value=median, low=low, high=high, unit="x", baseline=baseline))
        if what.startswith("ours"):
            low, median, high = map(float, np.percentile(share / values, [25, 50, 75]))
            title = f"{name}: {what}, share of the matmul peak"
            show(Row(name=title, value=median, low=low, high=high, unit="", baseline="matmul"))


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description="The speed of training a fleet.")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to store the rows")
    options = parser.parse_args()
    device = jax.devices()[0]
    print(f"jax {jax.__version__}, torch {torch.__version__}, {device.device_kind}, ", end="")
    print(f"{os.cpu_count()} cores, {platform.machine()}, python {platform.python_version()}")
    rows: list[Row] = []

    def show(row: Row) -> None:
        rows.append(row)
        spread = f" [{row.low:.3g}, {row.high:.3g}]" if row.low < row.high else ""
        print(f"{row.name:62} {row.value:9.3g}{spread} {row.unit}", flush=True)

    for name in ["mlp"] if options.quick else NETWORKS:
        measure(name, 4 if options.quick else 15, show)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
