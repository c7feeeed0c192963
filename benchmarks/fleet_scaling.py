"""How does the training of a fleet scale with its models, and with devices?

The fleets of `fleet.py`, in the order that suits the device, with 1, 4, 16 ... models on one device
(up to 256; on a CPU, where models take their turns, up to 16), and with the largest of these
numbers on 2, 4, ... devices. On a CPU the devices are simulated, as many as there are cores, and
share them with whatever one device uses already. All sizes of a network are timed in turn; the
speed is given over that of the first of them, and the memory is what the compiler plans: all
arguments, results and temporaries of a device.

    pip install -e '.[bench]' && python benchmarks/fleet_scaling.py [--quick] [--json FILE]
        [--networks mlp cnn wrn16 resnet18] [--models 1 2 4 ...] [--repetitions N]

`--quick` takes the MLP and few repetitions; about a minute.
"""

import os

import jax
from contestants import MODELS, network, ours
from rows import Table, command, in_turn

from pptp_jax.training import Strategy, usual_strategy


def measure(name: str, counts: list[int], repetitions: int | None, show: Table) -> None:
    """All rows of one network."""
    order, most = usual_strategy().order, max(counts)
    sizes = {f"{count} models, 1 device": (count, 1) for count in counts}
    devices = 2
    while devices <= jax.local_device_count():
        if most % devices == 0:
            sizes[f"{most} models, {devices} devices"] = (most, devices)
        devices *= 2
    nets = {what: network(name, count) for what, (count, _) in sizes.items()}
    built = {
        what: ours(nets[what], Strategy(order=order, devices=spread))
        for what, (_, spread) in sizes.items()
    }
    runs = {what: one.run for what, one in built.items()}
    times = in_turn(runs, repetitions or nets[next(iter(nets))].repetitions)
    first, on_one = next(iter(sizes)), f"{most} models, 1 device"
    rates = {what: nets[what].models / taken for what, taken in times.items()}
    for what, rate in rates.items():
        title, net = f"{name}: {order}, {what}", nets[what]
        show(title, rate * net.steps * net.batch, "examples/s")
        show(f"{title}, memory", built[what].memory / 2**20, "MiB a device", "as compiled")
        baseline = first if sizes[what][1] == 1 else on_one
        if what != baseline:
            show(f"{title}, speed over {baseline}", rate / rates[baseline], "x", baseline)


def main() -> None:
    """Measures, prints and stores."""
    parser = command(__doc__)
    parser.add_argument("--networks", nargs="+", choices=MODELS, help="default: all, mlp if quick")
    parser.add_argument("--models", nargs="+", type=int, help="default: 1, 4, 16 ...")
    parser.add_argument("--repetitions", type=int, help="default: 15 or fewer, 4 if quick")
    options = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    usual = [1, 4, 16] if jax.default_backend() == "cpu" else [1, 4, 16, 64, 256]
    repetitions = options.repetitions or (4 if options.quick else None)
    with Table(options.json, "jax") as show:
        for name in options.networks or (["mlp"] if options.quick else MODELS):
            measure(name, sorted(options.models or usual), repetitions, show)


if __name__ == "__main__":
    main()
