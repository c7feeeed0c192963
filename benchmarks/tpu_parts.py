"""Transforms, signals and attacks on a TPU, by its compiler; a part of `tpu_compiled.py`."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from contestants.networks import MODELS
from rows import Table
from transforms import TREES, candidates, sgd

from pptp_jax import signals
from pptp_jax.attacks.leave_one_out import fits, without
from pptp_jax.attacks.likelihood_ratio import _log_ratio
from pptp_jax.attacks.lira import _log_density, _offline
from pptp_jax.attacks.population_rank import beaten
from pptp_jax.attacks.probabilities import LogProbability, references
from pptp_jax.data import Arrays
from pptp_jax.regions import Block, RegionMap, WeightMap, sizes
from pptp_jax.training.chip_program import ChipProgram, analysed, compiled
from pptp_jax.training.topology import topology
from pptp_jax.transforms import RegionClip, clipped_grad, freeze_region

# Shadows, queries and examples of an attack; the examples and disturbed copies of a signal.
SHADOWS, QUERIES, EXAMPLES, POPULATION = 64, 2, 50_000, 10_000
ROWS, DRAWS = 16, 100
of = jax.ShapeDtypeStruct
# The number of examples for the bare gradient of a network.
BATCH = 128
Bare = Callable[[str], ChipProgram]


@cache
def _place() -> jax.sharding.Sharding:
    return jax.sharding.SingleDeviceSharding(topology("v5e:2x2").chips[0])


def on_chip(function: Callable[..., Any], *shapes: Any, donate: bool = False) -> ChipProgram:
    """What a function takes on one chip; its results may take the place of its first argument."""
    placed = jax.tree.map(
        lambda leaf: of(leaf.shape, leaf.dtype, sharding=_place()),
        jax.eval_shape(lambda: shapes),
    )
    return analysed(compiled(jax.jit(function, donate_argnums=0 if donate else ()).lower(*placed)))


def transforms(show: Table, bare: Bare) -> None:
    """Updates of ResNet-18's parameters with a region's transform, over the optimiser's alone."""
    tree, regions = TREES["resnet18"]()
    grads = jax.tree.map(
        lambda shape: of(shape, jnp.float32), tree, is_leaf=lambda leaf: isinstance(leaf, tuple)
    )
    blocks = [Block(name, f"{name}/.*") for name in tree]
    region = sizes(regions, grads)["protect"].bytes

    def found(tx: Any) -> ChipProgram:
        def update(grads: Any, state: Any, key: jax.Array) -> Any:
            return tx.update(grads, state, grads, key=key)

        key = jax.eval_shape(lambda: jax.random.key(0))
        return on_chip(update, grads, jax.eval_shape(tx.init, grads), key)

    plain, gradient, baseline = found(sgd()), bare("resnet18").bytes, "SGD with momentum"
    show("transforms: the optimiser alone, bytes", plain.bytes / 1e6, "MB")
    for name, candidate in candidates(regions, blocks).items():
        own, what = found(candidate.chain), f"transforms: {name}"
        if candidate.passes is not None:
            needed = plain.bytes + candidate.passes * region
            show(f"{what}, moved over needed", own.bytes / needed, "x", baseline)
        added = (own.bytes - plain.bytes) / gradient
        show(f"{what}, bytes added, share of a gradient's", added, "x", "Flax, ResNet-18, 128")
        alone = f"{plain.temporaries / 2**20:.1f}"
        show(f"{what}, temporaries", own.temporaries / 2**20, "MiB", alone)


def private(show: Table, bare: Bare) -> None:
    """The sum of clipped gradients of DP-SGD over the bare gradient of as many examples."""
    model, shape, _ = MODELS["mlp"]
    everything = RegionMap.from_rules([(".*", "protect")])
    x, y = of((BATCH, *shape), jnp.float32), of((BATCH,), jnp.int32)
    params, state = model.shapes(x)

    def loss(params: Any, example: tuple[jax.Array, jax.Array]) -> jax.Array:
        logits, _ = model.apply(params, state, example[0][None], train=True, key=None)
        return -jax.nn.log_softmax(logits[0])[example[1]]

    plain = bare("mlp")
    for size in (BATCH, 16):
        total = clipped_grad(loss, RegionClip(everything, "protect", 1.0), microbatch_size=size)
        found, what = on_chip(total, params, (x, y)), f"DP-SGD, MLP, {BATCH} by {size}"
        if size == BATCH:  # a loop over microbatches is counted once
            over = found.bytes / plain.bytes
            show(f"{what}: clipped sum, bytes over a gradient's", over, "x", "Flax")
        kept = f"{plain.temporaries / 2**20:.1f}; all gradients: {BATCH * bytes_of(params):.1f}"
        show(f"{what}: clipped sum, temporaries", found.temporaries / 2**20, "MiB", kept)


def bytes_of(tree: Any) -> float:
    """The MiB of some shapes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)) / 2**20


def masks(show: Table, bare: Bare) -> None:
    """An update of ResNet-18 in which single weights are frozen, over the optimiser's alone."""
    tree, _ = TREES["resnet18"]()
    grads = jax.tree.map(
        lambda shape: of(shape, jnp.float32), tree, is_leaf=lambda leaf: isinstance(leaf, tuple)
    )
    chosen = jax.tree.map(lambda leaf: of(leaf.shape, jnp.bool), grads)

    def with_mask(chosen: Any) -> optax.GradientTransformationExtraArgs:
        single = WeightMap.from_masks({"protect": chosen})
        return optax.chain(sgd(), freeze_region(single, "protect"))

    def update(grads: Any, state: Any, chosen: Any) -> Any:
        return with_mask(chosen).update(grads, state, grads)

    state = jax.eval_shape(sgd().init, grads)
    plain = on_chip(lambda grads, state: sgd().update(grads, state, grads), grads, state)
    state = jax.eval_shape(lambda grads, chosen: with_mask(chosen).init(grads), grads, chosen)
    found = on_chip(update, grads, state, chosen)
    needed = plain.bytes + bytes_of(chosen) * 2**20
    show("transforms: single weights frozen, moved over needed", found.bytes / needed, "x")
    show("transforms: single weights frozen, temporaries", found.temporaries / 2**20, "MiB")


def of_models(show: Table, bare: Bare) -> None:
    """Signals of one CNN on a few examples, over its gradient's bytes an example.

    One chunk of examples each, so that no loop over them is counted short; within the search for
    the boundary its loops are, and its bytes are left out.
    """
    model, shape, _ = MODELS["cnn"]
    float_images = of((ROWS, *shape), jnp.float32)
    fleet = jax.tree.map(lambda s: of((1, *s.shape), s.dtype), model.shapes(float_images))
    data = Arrays(
        of((ROWS, *shape), jnp.uint8),  # type: ignore[arg-type]
        of((ROWS,), jnp.int32),  # type: ignore[arg-type]
        of((), jnp.float32),  # type: ignore[arg-type]
        of((0,), jnp.int32),  # type: ignore[arg-type]
    )
    rows, key = of((ROWS,), jnp.int32), jax.eval_shape(lambda: jax.random.key(0))
    noisy = partial(signals.noisy_correct, model, draws=DRAWS)
    boundary = partial(signals.boundary_distance, model)

    def answered(variables: Any, data: Arrays) -> Any:
        one = jax.tree.map(lambda leaf: leaf[0], variables)
        return signals.collect(model.answering(one), data, task=model.task)

    taken: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "answers": (answered, (fleet, data)),
        "gradient_norms": (partial(signals.gradient_norms, model), (fleet, data, rows)),
        "input_gradient_norm": (partial(signals.input_gradient_norm, model), (fleet, data, rows)),
        "feature_margins": (partial(signals.feature_margins, model), (fleet, data, rows)),
        f"noisy_correct, {DRAWS} draws": (noisy, (fleet, data, rows, key)),
        "boundary_distance": (boundary, (fleet, data, rows, key)),
    }
    gradient, baseline = bare("cnn").bytes / BATCH, "Flax, CNN, 128 examples"
    for name, (function, args) in taken.items():
        found, what = on_chip(function, *args), f"signals: {name}, {ROWS} examples"
        if name != "boundary_distance":
            show(f"{what}, bytes", found.bytes / 1e6, "MB")
            show(f"{what}, over a gradient's", found.bytes / ROWS / gradient, "x", baseline)
        show(f"{what}, temporaries", found.temporaries / 2**20, "MiB")


def of_arrays(show: Table, bare: Bare) -> None:
    """Attacks on every shadow in turn, over the size of what they are given."""
    phi = of((SHADOWS, QUERIES, EXAMPLES), jnp.float32)
    chosen, itself = of((SHADOWS, EXAMPLES), jnp.bool), of((SHADOWS,), jnp.int32)
    known = LogProbability(phi, None)  # type: ignore[arg-type]
    online = partial(_log_ratio, fits, without, _log_density)
    attacks: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "LiRA online": (online, (phi, phi, (chosen, chosen), itself)),
        "LiRA offline": (partial(_offline, False), (phi, phi, chosen, itself)),
        "RMIA's references": (references, (known, [chosen, chosen], itself)),
        "RMIA's pairs": (
            partial(beaten, gamma=2.0),
            (of((SHADOWS, EXAMPLES), jnp.float32),),
        ),
    }
    for name, (function, args) in attacks.items():
        found = on_chip(function, *args)
        what = f"attacks: {name}, {SHADOWS} x {QUERIES} x {EXAMPLES}"
        given = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(args))
        show(f"{what}, bytes over the inputs'", found.bytes / given, "x", f"{given / 1e6:.1f} MB")
        show(f"{what}, temporaries over the inputs", found.temporaries / given, "x")


PARTS = {
    "transforms": transforms,
    "masks": masks,
    "private": private,
    "signals": of_models,
    "attacks": of_arrays,
}
