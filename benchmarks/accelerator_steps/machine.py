"""Which machine is this, and what are its peaks?"""

import platform
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import jax
import jax.numpy as jnp
from rows import seconds

from accelerator_steps.precision import PRECISIONS, peak
from accelerator_steps.recorder import Recorder, Setting
from accelerator_steps.without_jaxtyping import MISSING

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "orbax-checkpoint", "torch")
OPTIONAL = (
    *("tensorflow_datasets", "platformdirs", "torch"),
    *("click", "sklearn", "matplotlib", "jinja2", "pytest", "hypothesis", "chex"),
)


def measure(show: Recorder, setting: Setting) -> None:
    """Versions and the device first, then matrix products and a copy."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    device = jax.devices()[0]
    statistics = device.memory_stats() or {}
    show.line(
        "machine",
        {
            "device": device.device_kind,
            "platform": device.platform,
            "devices": jax.device_count(),
            "backend": " ".join(str(device.client.platform_version).split()),
            "memory": statistics.get("bytes_limit"),
            "processor": platform.machine(),
            "versions": versions,
            "missing": ["jaxtyping"] * MISSING
            + [module for module in OPTIONAL if find_spec(module) is None],
        },
    )
    print(f"{device.device_kind} x {jax.device_count()}, {versions}", flush=True)
    if MISSING:
        show.note("jaxtyping is missing: a stand-in takes its place, which checks no shapes")
    for name in PRECISIONS:
        show(f"matmul peak, {name}", peak(name, setting.rehearse) / 1e12, "TFLOP/s")
    size = 2**12 if setting.rehearse else 2**28
    x = jnp.ones(size, jnp.float32)
    copy = jax.jit(lambda x: x + 1)
    copy(x).block_until_ready()
    taken = min(seconds(partial(copy, x)) for _ in range(10))
    show("copy, bytes read and written", 8 * size / taken / 1e9, "GB/s")
