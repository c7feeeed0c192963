"""What does a step of `split`, or one with a frozen region, cost next to a plain step?

The step is that of a training: batch, forward pass, gradients, SGD with momentum .9. It runs with
the region protected by RelaxLoss and the rest trained by cross-entropy (split), or with the region
frozen, and is compared with cross-entropy in all network. The networks are the MLP of
Location-30 (446-512-256-128-30, batch 64) and a CNN (16-32-64 convolutions, 128-10, images of
32 x 32 x 3, batch 64). Steps are timed in turn (A B, B A, ...) after a warm-up, twenty (MLP) or
four (CNN) at a time; of the ratios of the pairs the median and the quartiles are given, and the
ratio of the operations that the compiler counts.

    python benchmarks/split.py [--quick] [--json FILE]

`--quick` takes the MLP alone and few repetitions; under a minute.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rows import Table, command, counted, ratios

from pptp_jax.data import Arrays
from pptp_jax.models import Model, cnn, mlp
from pptp_jax.objectives import RelaxLoss
from pptp_jax.training import SGD, Recipe, Trainer, freeze, split, undefended
from pptp_jax.training.phase_transform import transform
from pptp_jax.training.step import Step

BATCH, EXAMPLES = 64, 640
BASELINE = "cross-entropy on the whole network"
RELAX = RelaxLoss(alpha=1.0)
REGIONS = ("stem", "shallow", "deep", "head")


@dataclass(frozen=True)
class Network:
    """A model with the shape of its data, and how many of its steps are timed at once."""

    model: Model
    shape: tuple[int, ...]
    classes: int
    steps: int

    def data(self) -> Arrays:
        """Random examples."""
        draw = np.random.default_rng(0)
        return Arrays(
            x=jnp.asarray(draw.standard_normal((EXAMPLES, *self.shape), np.float32)),
            y=jnp.asarray(draw.integers(self.classes, size=EXAMPLES)),
            scale=jnp.float32(1),
            reference=jnp.arange(0),
        )


NETWORKS = {
    "mlp": Network(mlp([512, 256, 128], num_classes=30), (446,), 30, steps=20),
    "cnn": Network(cnn([16, 32, 64], dense=128, num_classes=10), (32, 32, 3), 10, steps=4),
}


class Run:
    """The compiled step of a recipe's last phase, and where its training stands."""

    def __init__(self, network: Network, recipe: Recipe) -> None:
        phase, regions = recipe.phases[-1], recipe.regions(network.model)
        tx = transform(SGD(), phase, 10**6, regions, None, BATCH)

        def step(state: Any, data: Arrays, rows: Any, key: Any) -> Any:
            now = Step(network.model, regions, phase, tx, data, data, jnp.int32(0))
            return now(state, rows, None, key)

        self.steps = network.steps
        self.data, self.rows, self.key = network.data(), jnp.arange(BATCH), jax.random.key(0)
        start = partial(Trainer(network.model, regions, BATCH).start, SGD(), phase, None)
        self.state = jax.jit(start)(self.key, self.data, jnp.arange(EXAMPLES), None)
        lowered = jax.jit(step).lower(self.state, self.data, self.rows, self.key)
        self.compiled = lowered.compile()

    def steps_on(self) -> Any:
        """Takes some steps, one after another."""
        for _ in range(self.steps):
            self.state, _ = self.compiled(self.state, self.data, self.rows, self.key)
        return self.state.variables

    @property
    def operations(self) -> float:
        """The floating-point operations of a step, as the compiler counts them."""
        return float(counted(self.compiled)["flops"])


def measure(name: str, repetitions: int, show: Table) -> None:
    """All rows of one network."""
    network = NETWORKS[name]
    plain = Run(network, undefended(1))
    recipes = {"plain again, a control": undefended(1)}
    for region in REGIONS:
        recipes[f"split, {region}"] = split(region, RELAX, 1)
    for region in REGIONS:
        recipes[f"frozen, {region}"] = freeze(region, 1, 1)
    for what, recipe in recipes.items():
        run = Run(network, recipe)
        times = ratios(run.steps_on, plain.steps_on, repetitions)
        show(f"{name}: {what}, time", times, "x", BASELINE)
        show(f"{name}: {what}, operations", run.operations / plain.operations, "x", BASELINE)


def main() -> None:
    """Measures, prints and stores."""
    options = command(__doc__).parse_args()
    with Table(options.json, "jax") as show:
        for name in ["mlp"] if options.quick else NETWORKS:
            measure(name, 5 if options.quick else 15, show)


if __name__ == "__main__":
    main()
