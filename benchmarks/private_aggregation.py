"""Does private aggregation cost more than that of jax_privacy and optax.contrib at equal work?

    python benchmarks/private_aggregation.py [--quick] [--json FILE]

Equal work: the per-example gradients of one batch, clipped over the entire network, summed, noised
and divided, as one jitted program. Ours and the baseline run in turn (A B B A ...) after a warm-up;
a time is the median over the pairs of ours / baseline, with the quartiles as its spread. Memory is
the temporary bytes that XLA plans for the program, ours / baseline. Below 1 is better.
"""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax_privacy import clipping, noise_addition
from rows import Table, command, ratios

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


def measure(quick: bool, show: Table) -> None:
    """All comparisons."""
    for task in tasks(quick):
        compiled = programs(task)
        runs = {
            name: partial(program, task.params, task.batch, KEY)
            for name, program in compiled.items()
        }
        for new, baseline in COMPARISONS:
            name = f"{task.name}: {new} over {baseline}"
            times = ratios(runs[new], runs[baseline], 5 if quick else 21)
            show(f"{name}, time", times, "x", baseline)
            memory = [compiled[one].memory_analysis().temp_size_in_bytes for one in (new, baseline)]
            show(f"{name}, temporary memory", memory[0] / memory[1], "x", baseline)


def main() -> None:
    """Measures, prints and stores."""
    options = command(__doc__).parse_args()
    # jax_privacy 2.0 calls an optax function that optax 0.2.8 deprecates.
    warnings.filterwarnings("ignore", "optax.global_norm is deprecated", DeprecationWarning)
    with Table(options.json, "jax", "optax", "jax-privacy") as show:
        measure(options.quick, show)


if __name__ == "__main__":
    main()
