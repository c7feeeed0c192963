"""How fast is a fleet trained, next to the ways in which one would train it otherwise?

M models take SGD steps with momentum .9 on batches of their own, gathered from data that all share.
The networks are the MLP of Purchase-100 (600-512-256-100, tanh), a CNN (3x3 convolutions 16-32-64,
each with max-pooling, dense 128-10), WRN-16-1 and ResNet-18 (batch norm; images of 32 x 32 x 3).
Ours are trained by each strategy of `train_fleet`; the others are

- PyTorch, eager, one model after another, on a CPU with one thread and with all, for images in both
  memory formats: the best of them is the baseline;
- `torch.func`: one vmapped gradient for all models;
- loop: the network in Flax's own layers, its jitted step called from Python, one model after
  another;
- naive vmap: that network, all models vmapped in a scan.

All begin with the same parameters and take the same batches; before anything is timed, the losses
of their first call must agree. Then they are timed in turn, in both orders; of the ratios of the
pairs the median and the quartiles are given. The matmul peak is that of a product of large square
matrices in the same run; a step's operations are those that XLA counts in Flax's form. Models per
hour are trainings of 100 epochs of 25,000 examples. On a CPU naive vmap of the large networks is
left out, and they train few models for few steps; what is large on a GPU are the 64 CNNs and 16
ResNets, of more steps.

    pip install -e '.[bench]' && python benchmarks/fleet.py [--quick] [--json FILE]
        [--networks mlp cnn wrn16 resnet18] [--models M] [--repetitions N]

`--quick` takes the MLP and few repetitions; about a minute. Memory is the question of
`fleet_memory.py`, more models and devices that of `fleet_scaling.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from contestants import BASELINE, MODELS, Contestant, Network, contestants, network
from contestants.flax import operations
from rows import Table, command, in_turn, seconds

A_TRAINING = 100 * 25_000


def peak() -> float:
    """The floating-point operations a second of a large matrix product, the best of ten."""
    side = 1024 if jax.default_backend() == "cpu" else 8192
    a = jnp.ones((side, side))
    product = jax.jit(jnp.matmul)
    product(a, a).block_until_ready()
    return 2 * side**3 / min(seconds(lambda: product(a, a)) for _ in range(10))


def check(built: dict[str, Contestant]) -> None:
    """Refuses to compare what does not give the same after the same steps."""
    losses = {what: one.run() for what, one in built.items()}
    known = losses[next(iter(losses))]
    for what, found in losses.items():
        if not np.allclose(found, known, rtol=1e-3):
            raise SystemExit(f"the losses of {what}, {found}, are not {known}")


def measure(net: Network, repetitions: int, show: Table) -> None:
    """All rows of one network."""
    built = {}
    for what, build in contestants(net):
        built[what] = build()
        if what.startswith("ours"):
            show(f"{net.name}: {what}, compilation", built[what].compiling, "s")
    if not net.naive:
        print(f"{net.name}: naive vmap is left out: it would take minutes a step here")
    check(built)
    times = in_turn({what: one.run for what, one in built.items()}, repetitions)
    others = [what for what in times if what.startswith(BASELINE)]
    best = min(others, key=lambda what: float(np.median(times[what])))
    examples = net.models * net.steps * net.batch
    share = operations(net) * examples / net.batch / peak()
    for what, taken in times.items():
        name = f"{net.name}: {what}"
        show(name, examples / taken, "examples/s")
        show(f"{name}, trainings", 3600 * examples / taken / A_TRAINING, "models/h")
        for baseline in (best, "naive vmap"):
            if baseline in times and what != baseline:
                ratio = times[baseline] / taken
                show(f"{name}, speed over {baseline}", ratio, "x", baseline)
        show(f"{name}, share of the matmul peak", share / taken, "", "matmul")


def main() -> None:
    """Measures, prints and stores."""
    parser = command(__doc__)
    parser.add_argument("--networks", nargs="+", choices=MODELS, help="default: all, mlp if quick")
    parser.add_argument("--models", type=int, help="default: as many as suit the device")
    parser.add_argument("--repetitions", type=int, help="default: 15 or fewer, 4 if quick")
    options = parser.parse_args()
    with Table(options.json, "jax", "flax", "torch") as show:
        for name in options.networks or (["mlp"] if options.quick else MODELS):
            net = network(name, options.models)
            repetitions = options.repetitions or (4 if options.quick else net.repetitions)
            print(f"\n{name}: {net.models} models, {net.steps} steps of {net.batch} examples")
            measure(net, repetitions, show)


if __name__ == "__main__":
    main()
