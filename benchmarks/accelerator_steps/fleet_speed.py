"""How fast are fleets of ours, by each strategy and in each precision?"""

from dataclasses import replace
from functools import partial

from contestants.flax import looped
from contestants.networks import Contestant, Network
from contestants.ours import ours

from accelerator_steps.fleet_sizes import fleets, share, timed, title, work
from accelerator_steps.precision import PRECISIONS, computing_in, peak
from accelerator_steps.recorder import Recorder, Setting
from pptp_jax.models import from_linen, in_precision
from pptp_jax.models.resnet import ResNet
from pptp_jax.training import Strategy
from pptp_jax.training.strategy import Order

# The most telling first.
WAYS: tuple[tuple[Order, str], ...] = (
    ("vmap", "TF32"),
    ("scan", "TF32"),
    ("vmap", "bfloat16"),
    ("scan", "bfloat16"),
    ("vmap", "float32"),
    ("scan", "float32"),
)
# One way of each network; a ResNet of one narrow stage, for ResNet-18 takes long to compile.
REHEARSED = {
    "resnet18": ("vmap", "bfloat16"),
    "cnn": ("scan", "TF32"),
    "mlp": ("vmap", "float32"),
}


def measure(show: Recorder, setting: Setting) -> None:
    """Ours, then Flax's own layers in a loop of jitted steps."""
    for network in fleets(setting):
        if setting.rehearse and network.name == "resnet18":
            narrow = from_linen(ResNet((4,), 1, 10, "batch"), ["stem", "stage1", "head"])
            network = replace(network, model=narrow, shape=(8, 8, 3))
        done = None if setting.rehearse else work(show, network)
        for order, precision in WAYS:
            if setting.rehearse and REHEARSED[network.name] != (order, precision):
                continue
            name = f"{title(network)}: ours, {order}, {precision}"
            built = timed(show, network, name, partial(_ours, network, order, precision))
            if built is not None:
                show(f"{name}: compilation", built.compiling, "s")
                show(f"{name}: memory, as compiled", built.memory / 2**20, "MiB")
                share(show, name, network, done, peak(precision, setting.rehearse))
        if not setting.rehearse:
            with computing_in("TF32"):
                name = f"{title(network)}: Flax, a jitted step in a loop, TF32"
                timed(show, network, name, partial(looped, network))


def _ours(network: Network, order: Order, precision: str) -> Contestant:
    """Ours, which multiplies as its model says, whatever JAX's setting is."""
    model = in_precision(network.model, PRECISIONS[precision][0])
    return ours(replace(network, model=model), Strategy(order=order))
