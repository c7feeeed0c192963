"""Ways to train a fleet: ours, Flax as one would write it, and PyTorch, on the same networks."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from contestants.flax import looped, vmapped
from contestants.networks import MODELS, Contestant, Network, network
from contestants.ours import ours
from pptp_jax.models import in_precision
from pptp_jax.training import Strategy

# JAX would take most of a GPU's memory for itself, and leave none to PyTorch.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

__all__ = ["BASELINE", "MODELS", "Contestant", "Network", "contestants", "network", "ours"]

BASELINE = "PyTorch"


def contestants(network: Network) -> Iterator[tuple[str, Callable[[], Contestant]]]:
    """All ways by their names; nothing is built yet.

    Those whose name begins with `BASELINE` are one and the same, with other settings.
    """
    # Here, so that the others can be had where PyTorch is missing.
    from contestants.pytorch import one_by_one, torch_func

    threads = sorted({1, os.cpu_count() or 1}) if network.on_cpu else [1]
    for count in threads:
        setting = f", {count} threads" if network.on_cpu else ""
        yield f"{BASELINE}{setting}", partial(one_by_one, network, count)
        if network.images:
            last = partial(one_by_one, network, count, channels_last=True)
            yield f"{BASELINE}{setting}, channels last", last
    yield "torch.func", partial(torch_func, network)
    yield "loop", partial(looped, network)
    if network.naive:
        yield "naive vmap", partial(vmapped, network)
    # As the others do on a GPU; a CPU rounds nothing.
    own = replace(network, model=in_precision(network.model, "tensorfloat32"))
    for order in network.orders:
        yield f"ours, {order}", partial(ours, own, Strategy(order=order))
