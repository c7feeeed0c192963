"""How much memory does a fleet take while it is trained, next to the other ways?

The contestants of `fleet.py`, each in a process of its own, so that none finds what another has
left. On a CPU: how much larger the process gets during a call after one to warm up than it was when
it had read the libraries and had the data and the parameters that all begin with; what a compiler
leaves behind is in it. On a GPU: the largest number of bytes that JAX's and PyTorch's allocators
had given out. Reading the process's size needs Linux.

    pip install -e '.[bench]' && python benchmarks/fleet_memory.py [--quick] [--json FILE]
        [--networks mlp cnn wrn16 resnet18] [--models M]

`--quick` takes the MLP and the loops with one thread; under a minute.
"""

import re
import subprocess
import sys
from argparse import SUPPRESS
from pathlib import Path

import jax
import torch
from contestants import MODELS, contestants, network
from rows import Table, command


def _status(name: str) -> int:
    """A number of bytes that Linux knows of this process."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) * 1024


def growth(name: str, models: int | None, contestant: str) -> int:
    """The bytes that a contestant takes, in this process."""
    net = network(name, models)
    net.start, net.data, net.batches  # noqa: B018 - they are kept from now on
    before = _status("VmRSS")
    run = dict(contestants(net))[contestant]().run
    run()
    if not net.on_cpu:
        run()
        stats = jax.local_devices()[0].memory_stats() or {}
        return int(stats["peak_bytes_in_use"]) + torch.cuda.max_memory_allocated()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the largest size so far
    run()
    return _status("VmHWM") - before


def main() -> None:
    """Measures, prints and stores."""
    parser = command(__doc__)
    parser.add_argument("--networks", nargs="+", choices=MODELS, help="default: all, mlp if quick")
    parser.add_argument("--models", type=int, help="default: as many as suit the device")
    parser.add_argument("--work", help=SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(growth(options.networks[0], options.models, options.work))
        return
    with Table(options.json, "jaxlib", "flax", "torch") as show:
        for name in options.networks or (["mlp"] if options.quick else MODELS):
            for what, _ in contestants(network(name, options.models)):
                if options.quick and not what.startswith(("PyTorch, 1", "ours, scan", "loop")):
                    continue
                command_line = [sys.executable, __file__, "--networks", name, "--work", what]
                if options.models:
                    command_line += ["--models", str(options.models)]
                told = subprocess.run(command_line, check=True, stdout=subprocess.PIPE, text=True)
                show(f"{name}: {what}, memory", int(told.stdout) / 2**20, "MiB", "its start")


if __name__ == "__main__":
    main()
