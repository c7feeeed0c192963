"""How fast is PyTorch on the same fleets: one model after another, compiled, or by `torch.func`?"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from contestants.networks import Contestant, Network

from accelerator_steps.fleet_sizes import fleets, share, timed, title, work
from accelerator_steps.precision import peak
from accelerator_steps.recorder import Recorder, Setting, needs


def measure(show: Recorder, setting: Setting) -> None:
    """The ways of `contestants`, one after another."""
    needs("torch")
    import torch

    gpu = torch.cuda.is_available()
    if not gpu and not setting.rehearse:
        show.note("PyTorch sees no GPU")
    if setting.rehearse:  # a CPU would take long for ResNet-18
        setting = replace(setting, options=("cnn:64",))
    for network in fleets(setting):
        done = None if setting.rehearse else work(show, network)
        for way, precision, build in _ways(network, setting.rehearse):
            name = f"{title(network)}: {way}, {precision}"
            if gpu:
                torch.cuda.reset_peak_memory_stats()
            if timed(show, network, name, build) is None:
                continue
            if gpu:
                show(f"{name}: memory, at most", torch.cuda.max_memory_allocated() / 2**20, "MiB")
            share(show, name, network, done, peak(precision, setting.rehearse))


def _ways(network: Network, rehearse: bool) -> Iterator[tuple[str, str, Callable[[], Contestant]]]:
    """Names, precisions and builders; the cheap ones to compile first."""
    from contestants.pytorch import one_by_one, torch_func

    own = partial(one_by_one, network, 1, channels_last=network.images)
    layout = ", channels last" if network.images else ""
    # To rehearse the compiler's path without a compiler for C++.
    backend = "aot_eager" if rehearse else "inductor"
    yield f"PyTorch{layout}", "TF32", own
    yield f"PyTorch{layout}", "bfloat16", partial(own, bfloat16=True)
    yield "torch.func", "TF32", partial(torch_func, network)
    yield f"torch.compile{layout}", "TF32", partial(own, compiler=backend)
    if not rehearse:
        compiled = partial(own, bfloat16=True, compiler=backend)
        yield f"torch.compile{layout}", "bfloat16", compiled
