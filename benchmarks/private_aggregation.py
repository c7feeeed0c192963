"""Does private aggregation cost more than that of jax_privacy and optax.contrib at equal work?

    python benchmarks/private_aggregation.py [--quick] [--json FILE]

Equal work: the per-example gradients of one batch, clipped over the whole network, summed, noised
and divided, as one jitted program. Ours and the baseline run in turn (A B A B ...) after a warm-up;
a time is the median over the pairs of ours / baseline, with the quartiles as its spread. Memory is
the temporary bytes that XLA plans for the program, ours / baseline. Below 1 is better.
"""

import argparse
import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax_privacy import clipping, noise_addition

from pptp_jax import models
from pptp_jax.regions import RegionMap
from pptp_jax.transforms import (
    RegionClip,
    clipped_grad,
    private_region_aggregation,
    private_region_noise,
)

BATCH, MAX_NORM, NOISE = 256, 1.0, 1.1
MICROBATCH = 16
ALL = RegionMap.from_rules([(".*", "all")])
KEY = jax.random.key(0)


class Row(NamedTuple):
    """One figure, as a line of the table and an entry of the JSON file."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    baseline: str


class Task(NamedTuple):
    """A network, its loss of one example, and a batch."""

    name: str
    loss: Callable[[Any, Any], jax.Array]
    params: Any
    batch: Any


def tasks() -> Iterator[Task]:
    """A perceptron on 784 inputs and a convolutional network on 16×16 images."""
    networks = {
        "mlp 784-256-128-10": (models.mlp([256, 128], 10), (784,)),
        "cnn 16-32-64-10 on 16x16x3": (models.cnn([16, 32], dense=64, num_classes=10), (16, 16, 3)),
    }
    for name, (model, shape) in networks.items():
        x = jax.random.normal(KEY, (BATCH, *shape))
        params, state = model.init(KEY, x[:1])

        def loss(params: Any, example: Any, model: Any = model, state: Any = state) -> jax.Array:
            x, y = example
            logits, _ = model.apply(params, state, x[None], train=True, key=None)
            return optax.softmax_cross_entropy_with_integer_labels(logits[0], y)

        yield Task(name, loss, params, (x, jnp.arange(BATCH) % 10))


def ours(task: Task, microbatch: int | None) -> Callable[..., Any]:
    """clipped_grad followed by private_region_noise."""
    clip = RegionClip(ALL, "all", MAX_NORM)
    total = clipped_grad(task.loss, clip, microbatch_size=microbatch)
    tx = private_region_noise(clip, NOISE, batch_size=BATCH)

    def update(params: Any, batch: Any, key: jax.Array) -> Any:
        return tx.update(total(params, batch), tx.init(params), params, key=key)[0]

    return update


def ours_on_gradients(task: Task) -> Callable[..., Any]:
    """private_region_aggregation on the gradients of all examples at once."""
    tx = private_region_aggregation(RegionClip(ALL, "all", MAX_NORM), NOISE, batch_size=BATCH)
    per_example = jax.vmap(jax.grad(task.loss), (None, 0))

    def update(params: Any, batch: Any, key: jax.Array) -> Any:
        return tx.update(per_example(params, batch), tx.init(params), params, key=key)[0]

    return update


def of_optax(task: Task) -> Callable[..., Any]:
    """optax.contrib.differentially_private_aggregate on the same gradients."""
    per_example = jax.vmap(jax.grad(task.loss), (None, 0))

    def update(params: Any, batch: Any, key: jax.Array) -> Any:
        tx = optax.contrib.differentially_private_aggregate(MAX_NORM, NOISE, key)
        return tx.update(per_example(params, batch), tx.init(params))[0]

    return update


def of_jax_privacy(task: Task, microbatch: int | None) -> Callable[..., Any]:
    """jax_privacy's clipped_grad followed by its Gaussian privatizer."""
    total = clipping.clipped_grad(
        task.loss, l2_clip_norm=MAX_NORM, keep_batch_dim=False, microbatch_size=microbatch
    )

    def update(params: Any, batch: Any, key: jax.Array) -> Any:
        privatizer = noise_addition.gaussian_privatizer(
            stddev=NOISE * total.sensitivity(), prng_key=key
        )
        noisy, _ = privatizer.update(total(params, batch), privatizer.init(params))
        return jax.tree.map(lambda g: g / BATCH, noisy)

    return update


def compare(name: str, task: Task, new: Any, old: Any, baseline: str, pairs: int) -> Iterator[Row]:
    """The time and the memory of one program over those of another."""
    programs = [jax.jit(f).lower(task.params, task.batch, KEY).compile() for f in (new, old)]

    def seconds(program: Any, key: jax.Array) -> float:
        start = time.perf_counter()
        jax.block_until_ready(program(task.params, task.batch, key))
        return time.perf_counter() - start

    times = np.array(
        [[seconds(p, jax.random.fold_in(KEY, i)) for p in programs] for i in range(pairs + 2)]
    )[2:]
    low, ratio, high = np.quantile(times[:, 0] / times[:, 1], [0.25, 0.5, 0.75])
    milliseconds = 1e3 * np.median(times, axis=0)
    memory = [p.memory_analysis().temp_size_in_bytes for p in programs]
    label = f"{task.name}, {name}"
    print(
        f"{label} against {baseline}: time {ratio:.2f} [{low:.2f}, {high:.2f}] "
        f"({milliseconds[0]:.1f} / {milliseconds[1]:.1f} ms), temporary memory "
        f"{memory[0] / memory[1]:.2f} ({memory[0] / 1e6:.1f} / {memory[1] / 1e6:.1f} MB)"
    )
    yield Row(f"{label}: time", ratio, low, high, "ratio", baseline)
    share = memory[0] / memory[1]
    yield Row(f"{label}: temporary memory", share, share, share, "ratio", baseline)


def measure(pairs: int) -> Iterator[Row]:
    """All comparisons."""
    for task in tasks():
        whole = ours_on_gradients(task)
        yield from compare("all at once", task, whole, of_optax(task), "optax.contrib", pairs)
        for size in (None, MICROBATCH):
            name = "all at once" if size is None else f"microbatch {size}"
            theirs = of_jax_privacy(task, size)
            yield from compare(name, task, ours(task, size), theirs, "jax_privacy", pairs)
        small = ours(task, MICROBATCH)
        name = f"microbatch {MICROBATCH} for all at once"
        yield from compare(name, task, small, of_optax(task), "optax.contrib", pairs)


def main() -> None:
    """Prints the table and, if asked, writes it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5 pairs instead of 31")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the rows")
    options = parser.parse_args()
    # jax_privacy 2.0 calls an optax function that optax 0.2.8 deprecates.
    warnings.filterwarnings("ignore", "optax.global_norm is deprecated", DeprecationWarning)
    device = jax.devices()[0].device_kind
    print(f"{platform.machine()}, {os.cpu_count()} cores, {device}, jax {jax.__version__}")
    rows = list(measure(pairs=5 if options.quick else 31))
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
