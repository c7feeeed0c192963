"""How much memory and compute do our programs need on a TPU, by its compiler, next to Flax's?

No TPU is needed: `libtpu` compiles for a named pod. Every figure is the compiler's, for one chip:
bytes read and written, floating-point operations, temporaries, collectives. A loop is counted once.
Its prediction of time can be negative and is left out. Nothing is run, so nothing has a spread.

gradient: loss and gradient of one model on a batch of 128, over those of the same network written
with Flax's own layers (`contestants/flax.py`), in bfloat16 (parameters in float32) and float32.
fleet: a step of models with momentum, a model, over Flax's step of one; and the program of an epoch
on 1, 4, 16 and 256 chips, which must move what one chip does, with no collective.
shared: one model whose batch of 1,024 the chips share; they have to sum up gradients.
transforms, masks: an update of ResNet-18's parameters with a region's transform, or with single
weights frozen. private: the clipped sum of DP-SGD.
signals, attacks: what is taken of models, and what is made of it, on the device.

    pip install -e '.[tpu]' && python benchmarks/tpu_compiled.py [--quick] [--json FILE]
        [--networks mlp cnn wrn16 resnet18] [--chips 1 4 16 256] [--orders vmap scan]
        [--precisions bfloat16 float32]
        [--parts gradient fleet shared transforms masks private signals attacks]

`--quick` takes the MLP's gradient and fleet on 1 and 4 chips in bfloat16, and the attacks.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from contestants.flax import MODULES
from contestants.networks import MODELS, MOMENTUM, RATE
from contestants.ours import RULE
from rows import Table, command
from tpu_parts import PARTS, on_chip

from pptp_jax.data import Arrays
from pptp_jax.models import Model, in_precision
from pptp_jax.training import Trainer, undefended
from pptp_jax.training.chip_program import (
    ChipProgram,
    FleetShape,
    analysed,
    compiled,
    lowered_programs,
)
from pptp_jax.training.topology import ChipStrategy, topology

BATCH, SHARED_BATCH, EXAMPLES = 128, 1024, 1280
MODELS_A_CHIP = 4
PODS = {1: "v5e:2x2", 4: "v5e:2x2", 16: "v5e:4x4", 64: "v5e:8x8", 256: "v5e:16x16"}
Apply = Callable[[Any, Any, jax.Array], tuple[jax.Array, Any]]


def of_ours(name: str, precision: str) -> Model:
    """Our network."""
    model = MODELS[name][0]
    return in_precision(model, "bfloat16") if precision == "bfloat16" else model


def ours(name: str, precision: str) -> Apply:
    """Our network in training."""
    model = of_ours(name, precision)
    return partial(model.apply, train=True, key=None)


def native(name: str, precision: str) -> Apply:
    """The same with Flax's own layers; statistics stay in float32, as Flax has it."""

    def apply(params: Any, stats: Any, x: jax.Array) -> tuple[jax.Array, Any]:
        params, x = jax.tree.map(lambda leaf: leaf.astype(precision), (params, x))
        logits, changed = MODULES[name].apply({"params": params, **stats}, x, mutable=list(stats))
        return logits.astype(jnp.float32), changed

    return apply


def gradient(apply: Apply) -> Callable[..., Any]:
    """The loss of a batch, its gradient, and the statistics behind it."""

    def loss(params: Any, stats: Any, x: jax.Array, y: jax.Array) -> tuple[jax.Array, Any]:
        logits, changed = apply(params, stats, x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), changed

    return jax.value_and_grad(loss, has_aux=True)


def step(apply: Apply) -> Callable[..., Any]:
    """A step with momentum on some rows of the data, as `contestants/flax.py` has it."""

    def run(state: Any, rows: jax.Array, x: jax.Array, y: jax.Array, scale: jax.Array) -> Any:
        (params, stats, trace), batch = state, x[rows].astype(jnp.float32) * scale
        (value, stats), grads = gradient(apply)(params, stats, batch, y[rows])
        trace = jax.tree.map(lambda t, g: MOMENTUM * t + g, trace, grads)
        params = jax.tree.map(lambda p, t: p - RATE * t, params, trace)
        return (params, stats, trace), value

    return run


def shapes(name: str, batch: int = BATCH) -> tuple[Any, ...]:
    """Of parameters, statistics, inputs and labels."""
    model, shape, _ = MODELS[name]
    x = jax.ShapeDtypeStruct((batch, *shape), jnp.float32)
    return *model.shapes(x), x, jax.ShapeDtypeStruct((batch,), jnp.int32)


def stored(name: str, examples: int) -> Arrays:
    """The shapes of a data set: images are stored as bytes."""
    shape, of = MODELS[name][1], jax.ShapeDtypeStruct
    kind = jnp.uint8 if len(shape) == 3 else jnp.float32
    x, y = of((examples, *shape), kind), of((examples,), jnp.int32)
    shapes: Any = x, y, of((), jnp.float32), of((0,), jnp.int32)
    return Arrays(*shapes)


class Rows:
    """The rows of one network in one precision."""

    def __init__(self, show: Table, name: str, precision: str) -> None:
        self.show, self.name, self.precision = show, name, precision
        self.params, self.stats, self.x, self.y = shapes(name)

    def exact(self, what: str, value: float, unit: str, baseline: str = "-") -> None:
        """One row."""
        self.show(f"{self.name}, {self.precision}: {what}", value, unit, baseline)

    def against(self, what: str, found: ChipProgram, other: ChipProgram, baseline: str) -> None:
        """A program, and over another one."""
        self.exact(f"{what}, bytes", found.bytes / 1e6, "MB", f"{other.bytes / 1e6:,.1f}")
        self.exact(f"{what}, bytes over {baseline}", found.bytes / other.bytes, "x", baseline)
        ratio = found.operations / other.operations
        self.exact(f"{what}, operations over {baseline}", ratio, "x", baseline)
        theirs = f"{other.temporaries / 2**20:,.1f}"
        self.exact(f"{what}, temporaries", found.temporaries / 2**20, "MiB", theirs)

    def gradient(self) -> None:
        """One model's gradient, both ways."""
        args = self.params, self.stats, self.x, self.y
        found, other = (
            on_chip(gradient(form(self.name, self.precision)), *args) for form in (ours, native)
        )
        self.against("gradient", found, other, "Flax")

    def fleet(self, orders: list[str], chips: list[int]) -> None:
        """Steps and epochs of fleets."""
        run, n = step(native(self.name, self.precision)), MODELS_A_CHIP
        data, rows = stored(self.name, BATCH), jax.ShapeDtypeStruct((BATCH,), jnp.int32)
        own, shared = ((self.params, self.stats, self.params), rows), (data.x, data.y, data.scale)
        alone = on_chip(run, *own, *shared, donate=True)
        self.exact("Flax's step, bytes", alone.bytes / 1e6, "MB")
        if "vmap" in orders:
            stacked = jax.tree.map(lambda s: jax.ShapeDtypeStruct((n, *s.shape), s.dtype), own)
            mapped = jax.vmap(run, in_axes=(0, 0, None, None, None))
            vmapped = on_chip(mapped, *stacked, *shared, donate=True)
            over = vmapped.bytes / n / alone.bytes
            self.exact(f"Flax, naive vmap of {n}, bytes a model over Flax", over, "x", "Flax")
        for order in orders:
            first: ChipProgram | None = None
            for count in chips:
                of_step, of_epoch = self._programs(order, count)
                what = f"{order}, {count} chip{'s' * (count > 1)}"
                if first is None:
                    first, models = of_epoch, 1 if order == "scan" else n
                    moved = analysed(compiled(of_step)).bytes / models
                    self.exact(f"{order}, step of a model, bytes", moved / 1e6, "MB")
                    title = f"{order}, step of a model, bytes over Flax"
                    self.exact(title, moved / alone.bytes, "x", "Flax")
                over = of_epoch.bytes / first.bytes
                self.exact(f"{what}, epoch, bytes over the first", over, "x", "the first")
                self.exact(f"{what}, epoch, temporaries", of_epoch.temporaries / 2**20, "MiB")
                self.exact(f"{what}, epoch, memory", of_epoch.memory / 2**20, "MiB")
                exchanged = sum(of_epoch.collectives.values())
                self.exact(f"{what}, collectives", exchanged, "", "0 is the aim")

    def shared(self, chips: list[int]) -> None:
        """One model, whose batches the chips share."""
        for count in chips:
            _, found = self._programs("scan", count, shared=True)
            what = f"one model on {count} chips"
            self.exact(f"{what}, epoch, bytes", found.bytes / 1e6, "MB a chip")
            self.exact(f"{what}, epoch, temporaries", found.temporaries / 2**20, "MiB a chip")
            for kind, number in sorted(found.collectives.items()):
                self.exact(f"{what}, {kind}", number, "")

    def _programs(self, order: Any, count: int, shared: bool = False) -> tuple[Any, ChipProgram]:
        """A step, not yet compiled, and an epoch."""
        pod = topology(PODS[count])
        spread = {"data_devices": count} if shared else {"devices": count}
        strategy = ChipStrategy(order=order, chips=pod.chips, **spread)
        batch = SHARED_BATCH if shared else BATCH
        model = of_ours(self.name, self.precision)
        fleet = FleetShape(
            trainer=Trainer(model, None, batch),
            recipe=undefended(1),
            optimizer=RULE,
            data=stored(self.name, EXAMPLES),
            members=EXAMPLES // batch * batch,
        )
        models = 1 if shared else MODELS_A_CHIP * count
        [phase] = lowered_programs(fleet, strategy, models)
        if order == "scan":  # within an epoch a model keeps its turn for all of its steps
            [alone] = lowered_programs(fleet, strategy, count)
            return alone.step, analysed(compiled(phase.epoch))
        return phase.step, analysed(compiled(phase.epoch))


def bare_gradient(name: str) -> ChipProgram:
    """What others are compared with: Flax's gradient of a network, batch 128, in float32."""
    return on_chip(gradient(native(name, "float32")), *shapes(name))


def main() -> None:
    """Compiles, prints and stores."""
    every = ["gradient", "fleet", "shared", *PARTS]
    parser = command(__doc__)
    parser.add_argument("--networks", nargs="+", choices=MODELS, help="default: all, mlp if quick")
    parser.add_argument("--chips", nargs="+", type=int, choices=PODS, help="default: 1 4 16 256")
    parser.add_argument("--orders", nargs="+", choices=["vmap", "scan"], default=["vmap", "scan"])
    parser.add_argument("--precisions", nargs="+", choices=["bfloat16", "float32"])
    parser.add_argument("--parts", nargs="+", choices=every, help="default: all of them")
    options = parser.parse_args()
    quick = options.quick
    parts = options.parts or (["gradient", "fleet", "attacks"] if quick else every)
    chips = options.chips or ([1, 4] if quick else [1, 4, 16, 256])
    precisions = options.precisions or ["bfloat16", "float32"][: 1 if quick else 2]
    with Table(options.json, "jax", "flax", "libtpu") as show:
        for name in options.networks or (["mlp"] if quick else MODELS):
            for precision in precisions:
                rows = Rows(show, name, precision)
                if "gradient" in parts:
                    rows.gradient()
                if "fleet" in parts:
                    rows.fleet(options.orders, chips)
                if "shared" in parts:
                    rows.shared([count for count in chips if count > 1])
        for part, measure in PARTS.items():
            if part in parts:
                measure(show, bare_gradient)


if __name__ == "__main__":
    main()
