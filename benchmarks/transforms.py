"""What does a region's transform add to the update of an optimiser?

Each transform is chained with SGD with momentum .9 and compared with that optimiser alone, on
parameter trees of the size of ResNet-18 (11 M) and ViT-B/16 (86 M), both jitted. The two are timed
in turn (A B, B A, ...) after a warm-up; of the ratios of the pairs the median and the quartiles are
given. Bytes of state and of temporaries are the compiler's, as are the bytes that a step moves,
which are compared with those of the optimiser plus what the transform cannot do without.

    python benchmarks/transforms.py [--quick] [--json FILE]

`--quick` takes ResNet-18 alone, few repetitions, and leaves out what repeats others and is slow to
compile; under a minute.
"""

import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rows import Table, command, counted, planned, ratios

from pptp_jax import transforms as t
from pptp_jax.regions import Block, RegionMap, sizes

Tree = dict[str, Any]
BASELINE = "optax.sgd(0.1, momentum=0.9)"


def resnet18() -> tuple[Tree, RegionMap]:
    """The shapes of ResNet-18 for CIFAR, 10 classes; all but the last stage are protected."""

    def norm(width: int) -> Tree:
        return {"scale": (width,), "bias": (width,)}

    shapes: Tree = {"stem": {"conv": (3, 3, 3, 64), "norm": norm(64)}}
    before = 64
    for i, width in enumerate((64, 128, 256, 512), 1):
        stage: Tree = {}
        for j in range(2):
            block = {"conv1": (3, 3, before, width), "conv2": (3, 3, width, width)}
            stage[f"block{j}"] = {**block, "norm1": norm(width), "norm2": norm(width)}
            if before != width:
                stage[f"block{j}"]["shortcut"] = (1, 1, before, width)
            before = width
        shapes[f"stage{i}"] = stage
    shapes["head"] = {"kernel": (512, 10), "bias": (10,)}
    rules = [("stem/.*|stage[123]/.*", "protect"), ("stage4/.*|head/.*", "general")]
    return shapes, RegionMap.from_rules(rules)


def vit() -> tuple[Tree, RegionMap]:
    """The shapes of ViT-B/16, 1,000 classes; the first half of the encoder is protected."""
    d = 768
    norm = {"scale": (d,), "bias": (d,)}
    shapes: Tree = {"patch_embed": {"kernel": (16, 16, 3, d), "bias": (d,), "position": (197, d)}}
    for i in range(12):
        attention = {"qkv": (d, 3 * d), "qkv_bias": (3 * d,), "out": (d, d), "out_bias": (d,)}
        mlp = {"up": (d, 4 * d), "up_bias": (4 * d,), "down": (4 * d, d), "down_bias": (d,)}
        half = f"encoder{1 + i // 6}"
        shapes.setdefault(half, {})[f"block{i}"] = {
            "attention": attention,
            "mlp": mlp,
            "norm1": norm,
            "norm2": norm,
        }
    shapes["head"] = {"norm": norm, "kernel": (d, 1000), "bias": (1000,)}
    rules = [("(patch_embed|encoder1)/.*", "protect"), ("(encoder2|head)/.*", "general")]
    return shapes, RegionMap.from_rules(rules)


TREES = {"resnet18": resnet18, "vit": vit}
REPETITIONS = {"resnet18": 41, "vit": 15}
SLOW_TO_COMPILE = {"add_region_noise, relative", "drop_region_updates"}


@dataclass(frozen=True)
class Candidate:
    """A transform around the optimiser, and the passes over the region that it cannot do without.

    Attributes:
        chain: the optimiser with it.
        passes: how often it must read the region's gradient besides what the optimiser reads; None
            where the optimiser itself does less. A norm reads twice: the largest entry comes first,
            by which the squares are scaled.
    """

    chain: optax.GradientTransformationExtraArgs
    passes: float | None


def sgd() -> optax.GradientTransformationExtraArgs:
    """The optimiser."""
    return optax.with_extra_args_support(optax.sgd(0.1, momentum=0.9))


def candidates(regions: RegionMap, blocks: list[Block]) -> dict[str, Candidate]:
    """Each transform in its usual place of the chain."""

    def before(tx: optax.GradientTransformation, passes: float) -> Candidate:
        return Candidate(optax.chain(tx, sgd()), passes)

    apart = [t.apply_to_region(sgd(), regions, label) for label in regions.names]
    frozen = optax.chain(sgd(), t.freeze_region(regions, "protect"))
    return {
        "SGD again, a control": Candidate(sgd(), 0),
        "apply_to_region, both": Candidate(optax.chain(*apart), 0),
        "freeze_region": Candidate(frozen, 0),
        "pptp, freeze": Candidate(t.pptp(sgd(), regions, freeze=True), None),
        "scale_region": Candidate(optax.chain(sgd(), t.scale_region(regions, "protect", 0.5)), 0),
        "clip_region_norm": before(t.clip_region_norm(regions, "protect", 1.0), 2),
        "clip_region_norm, blocks": before(
            t.clip_region_norm(regions, "protect", 1.0, blocks=blocks), 2
        ),
        "add_region_noise": before(t.add_region_noise(regions, "protect", 0.1), 0),
        "add_region_noise, relative": before(
            t.add_region_noise(regions, "protect", 0.1, relative=True), 2
        ),
        "drop_region_updates": before(t.drop_region_updates(regions, "protect", 0.5), 0),
        "drop_region_blocks": before(t.drop_region_blocks(regions, "protect", blocks), 0),
        "drop_region_top": before(t.drop_region_top(regions, "protect", 0.1), 1),
    }


class Step:
    """A compiled update and what it is called with."""

    def __init__(self, tx: optax.GradientTransformationExtraArgs, grads: Tree) -> None:
        def update(grads: Tree, state: Any, key: jax.Array) -> Any:
            return tx.update(grads, state, grads, key=key)

        self.grads, self.state, self.key = grads, tx.init(grads), jax.random.key(0)
        start = time.perf_counter()
        self.compiled = jax.jit(update).lower(grads, self.state, self.key).compile()
        self.compile_seconds = time.perf_counter() - start

    def run(self) -> Any:
        """One step, with the same key each time."""
        return self.compiled(self.grads, self.state, self.key)

    @property
    def state_bytes(self) -> int:
        """The memory of the optimiser's state."""
        return sum(leaf.nbytes for leaf in jax.tree.leaves(self.state))

    @property
    def temporary_bytes(self) -> int:
        """The memory that the step needs besides its arguments and results."""
        return int(planned(self.compiled).temp_size_in_bytes)

    @property
    def moved_bytes(self) -> float:
        """What the compiled step reads and writes."""
        return float(counted(self.compiled)["bytes accessed"])


def measure(tree: str, quick: bool, show: Table) -> None:
    """All rows of one parameter tree."""
    shapes, regions = TREES[tree]()
    draw = np.random.default_rng(0).standard_normal
    grads = jax.tree.map(
        lambda shape: jnp.asarray(draw(shape, np.float32)),
        shapes,
        is_leaf=lambda shape: isinstance(shape, tuple),
    )
    blocks = [Block(name, f"{name}/.*") for name in shapes]
    print(f"\n{tree}\n{regions.describe(grads)}\n")
    region_bytes = sizes(regions, grads)["protect"].bytes
    plain = Step(sgd(), grads)
    repetitions = 5 if quick else REPETITIONS[tree]
    for name, candidate in candidates(regions, blocks).items():
        if quick and name in SLOW_TO_COMPILE:
            continue
        step, what = Step(candidate.chain, grads), f"{tree}: {name}"

        def exact(kind: str, value: float, other: float, unit: str, what: str = what) -> None:
            show(f"{what}, {kind}", value, unit, f"{BASELINE}: {other:,.6g}")

        show(f"{what}, time", ratios(step.run, plain.run, repetitions), "x", BASELINE)
        exact("compiling", step.compile_seconds, plain.compile_seconds, "s")
        exact("state", step.state_bytes / 1e6, plain.state_bytes / 1e6, "MB")
        exact("temporaries", step.temporary_bytes / 1e6, plain.temporary_bytes / 1e6, "MB")
        if candidate.passes is not None:
            needed = plain.moved_bytes + candidate.passes * region_bytes
            exact("moved over needed", step.moved_bytes / needed, 1, "x")


def main() -> None:
    """Measures, prints and stores."""
    options = command(__doc__).parse_args()
    with Table(options.json, "jax", "optax") as show:
        for tree in ["resnet18"] if options.quick else TREES:
            measure(tree, options.quick, show)


if __name__ == "__main__":
    main()
