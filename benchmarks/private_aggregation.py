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

BATCH, MAX_NORM, NOISE = 128, 1.0, 1.1
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


def tasks(quick: bool) -> Iterator[Task]:
    """A perceptron on 784 inputs and, unless `quick`, a convolutional network on 16×16 images."""
    networks = {
        "mlp 784-128-10": (models.mlp([128], num_classes=10), (784,)),
        "cnn 16-64-10 on 16x16x3": (models.cnn([16], dense=64, num_classes=10), (16, 16, 3)),
    }
    for name, (model, shape) in list(networks.items())[: 1 if quick else None]:
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


def programs(task: Task) -> dict[str, Any]:
    """All contestants, each compiled once."""
    functions = {
        "private_region_aggregation": ours_on_gradients(task),
        "optax.contrib": of_optax(task),
        "clipped_grad": ours(task, None),
        "jax_privacy": of_jax_privacy(task, None),
        "clipped_grad, microbatch 4": ours(task, 4),
        "clipped_grad, microbatch 16": ours(task, 16),
        "jax_privacy, microbatch 16": of_jax_privacy(task, 16),
    }
    arguments = task.params, task.batch, KEY
    return {name: jax.jit(f).lower(*arguments).compile() for name, f in functions.items()}


COMPARISONS = (
    ("private_region_aggregation", "optax.contrib"),
    ("clipped_grad", "jax_privacy"),
    ("clipped_grad, microbatch 16", "jax_privacy, microbatch 16"),
    # The same update in less memory: the microbatch made smaller on our side alone.
    ("clipped_grad, microbatch 16", "optax.contrib"),
    ("clipped_grad, microbatch 4", "jax_privacy, microbatch 16"),
)


def compare(task: Task, pair: tuple[Any, Any], pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """The seconds (pairs, 2) and the temporary bytes (2,) of two programs that run in turn."""

    def seconds(program: Any, key: jax.Array) -> float:
        start = time.perf_counter()
        jax.block_until_ready(program(task.params, task.batch, key))
        return time.perf_counter() - start

    keys = jax.random.split(KEY, pairs + 2)
    times = np.array([[seconds(program, key) for program in pair] for key in keys])[2:]
    return times, np.array([p.memory_analysis().temp_size_in_bytes for p in pair])


def measure(quick: bool) -> Iterator[Row]:
    """All comparisons, printed as they come."""
    for task in tasks(quick):
        compiled = programs(task)
        for new, baseline in COMPARISONS:
            times, memory = compare(
                task, (compiled[new], compiled[baseline]), pairs=5 if quick else 21
            )
            low, ratio, high = np.quantile(times[:, 0] / times[:, 1], [0.25, 0.5, 0.75])
            share = memory[0] / memory[1]
            ours_ms, theirs_ms = 1e3 * np.median(times, axis=0)
            ours_mb, theirs_mb = memory / 1e6
            print(
                f"{task.name}: {new} / {baseline}: "
                f"time {ratio:.2f} [{low:.2f}, {high:.2f}] ({ours_ms:.1f} / {theirs_ms:.1f} ms), "
                f"temporary memory {share:.3f} ({ours_mb:.1f} / {theirs_mb:.1f} MB)",
                flush=True,
            )
            name = f"{task.name}: {new}"
            yield Row(f"{name}: time", ratio, low, high, "ratio", baseline)
            yield Row(f"{name}: temporary memory", share, share, share, "ratio", baseline)


def main() -> None:
    """Prints the table and, if asked, writes it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="the perceptron alone, 5 pairs instead of 21"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the rows")
    options = parser.parse_args()
    # jax_privacy 2.0 calls an optax function that optax 0.2.8 deprecates.
    warnings.filterwarnings("ignore", "optax.global_norm is deprecated", DeprecationWarning)
    device = jax.devices()[0].device_kind
    print(f"{platform.machine()}, {os.cpu_count()} cores, {device}, jax {jax.__version__}")
    rows = list(measure(options.quick))
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
