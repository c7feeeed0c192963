"""`pptp doctor`."""

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from typing import Any

import click

from pptp_jax.cli.options import json_option

# A module of each extra, and what the extra is for.
EXTRAS = {
    "dp": ("dp_accounting", "privacy budgets of DP-SGD"),
    "audit": ("jax_privacy", "bounds of audits beside those of jax_privacy"),
    "search": ("optuna", "pptp search"),
    "stream": ("grain", "data larger than memory"),
    "equinox": ("equinox", "models of Equinox"),
    "language": ("tokenizers", "published language models and their tokenizers"),
    "graphs": ("networkx", "the karate club of experiments/communities.py"),
    "dask": ("distributed", "fleets on other machines"),
    "tpu": ("libtpu", "pptp run --compile-for, and TPUs"),
}
PACKAGES = ("pptp-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Show devices, versions, optional packages.

    Says what this machine has, and how to install what is missing.
    """
    import json
    from importlib.util import find_spec

    import jax

    versions = {name: _version(name) for name in PACKAGES}
    devices = [_device(device) for device in jax.local_devices()]
    extras = {name: find_spec(module) is not None for name, (module, _) in EXTRAS.items()}
    if as_json:
        found: dict[str, Any] = {
            "python": platform.python_version(),
            "versions": versions,
            "devices": devices,
        }
        found |= {"cores": _cores(), "extras": extras}
        click.echo(json.dumps(found, indent=1))
        return
    click.echo(f"python         {platform.python_version()} on {platform.platform(terse=True)}")
    click.echo(f"packages       {', '.join(f'{name} {versions[name]}' for name in PACKAGES[:4])}")
    click.echo(f"cores, memory  {_cores()}, {_memory()}")
    for device in devices:
        memory = device["memory_bytes"]
        size = "" if memory is None else f", {memory / 2**30:.1f} GiB"
        click.echo(f"device         {device['kind']} ({device['platform']}{size})")
    for line in _advice(devices):
        click.echo(line)
    click.echo()
    for name, present in extras.items():
        click.echo(f"{name:<14} {'installed' if present else 'missing':<10} {EXTRAS[name][1]}")
    if missing := [name for name, present in extras.items() if not present]:
        click.echo(f"\nTo install what is missing: pip install 'pptp-jax[{','.join(missing)}]'")


def _advice(devices: list[dict[str, Any]]) -> Iterator[str]:
    if all(device["platform"] == "cpu" for device in devices):
        yield "accelerator    none; NVIDIA GPU: pip install 'jax[cuda13]', TPU: 'jax[tpu]'"
    if os.environ.get("JAX_PLATFORMS"):
        yield f"JAX_PLATFORMS  {os.environ['JAX_PLATFORMS']}: other devices are not used"


def _device(device: Any) -> dict[str, Any]:
    stats = device.memory_stats() or {}
    return {
        "platform": device.platform,
        "kind": device.device_kind,
        "memory_bytes": stats.get("bytes_limit"),
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return "unknown"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
