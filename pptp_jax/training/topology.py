"""The chips of an absent TPU pod: programs are compiled for them, and not run.

`libtpu` contains the compiler of every TPU. It compiles for a named topology on any machine, plans
the memory of a chip and refuses a program that does not fit there.
"""

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pptp_jax.training.mesh import DATA, MODELS
from pptp_jax.training.strategy import Strategy
from pptp_jax.validation import Refused, at_least, one_of

KNOWN = "v5e:2x2, v5e:4x4, v5e:16x16, v6e:4x4, v5p:2x2x1, v5p:4x4x4"
# Without them libtpu looks for the metadata of a machine in Google's cloud, and complains.
_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
    # A compiler takes no chip, so another process may have loaded libtpu as well.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_AVAILABLE = re.compile(r"available HBM \(([\d.]+)([KMGT])\)")


@dataclass(frozen=True)
class Topology:
    """The chips of a pod, in the order of its hosts.

    Attributes:
        name: what it is called, such as `v5e:4x4`.
        chips: devices to compile for.

    Examples:
        >>> Topology("none", ()).kind
        'none'
    """

    name: str
    chips: tuple[Any, ...]

    @property
    def kind(self) -> str:
        """The name of such a chip in JAX."""
        return str(self.chips[0].device_kind) if self.chips else self.name

    @property
    def hosts(self) -> tuple[tuple[Any, ...], ...]:
        """The chips of each machine, and so of each process of a run."""
        numbers = sorted({chip.process_index for chip in self.chips})
        return tuple(tuple(c for c in self.chips if c.process_index == i) for i in numbers)


def topology(name: str) -> Topology:
    """The chips of a TPU pod by its name; needs `libtpu` and no TPU.

    The process may have used other devices before. What the compiler reads from the environment is
    set for the call alone.

    Args:
        name: the kind of TPU and its grid of chips, such as `v5e:4x4`.

    Raises:
        ValueError: if the name is not of this form, `libtpu` is not installed or does not load, or
            its compiler knows no such pod.

    Examples:
        >>> topology("v5e-16")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: a topology is KIND:GRID, as v5e:2x2, v5e:4x4, ...
    """
    if re.fullmatch(r"\w+:\d+x\d+(x\d+)?", name) is None:
        raise Refused(f"a topology is KIND:GRID, as {KNOWN}; got {name!r}")
    if importlib.util.find_spec("libtpu") is None:
        raise Refused(
            'compiling for a TPU needs libtpu, which is not installed: pip install "pptp-jax[tpu]"'
        )
    with _environment(_ENVIRONMENT):
        try:
            found = topologies.get_topology_desc(name, platform="tpu").devices
        except jax.errors.JaxRuntimeError as error:
            said = str(error).partition("\n")[0]
            if "INVALID_ARGUMENT" not in said:
                raise Refused(f"libtpu does not load: {said}") from error
            raise Refused(
                f"the TPU compiler knows no topology {name!r}; topologies are {KNOWN} and the "
                f"like. It says: {said}"
            ) from error
    return Topology(name, tuple(sorted(found, key=lambda chip: (chip.process_index, chip.id))))


def chip_memory(found: Topology) -> int | None:
    """The bytes of a chip's memory, read from the compiler's error for a program that is too large.

    Args:
        found: the pod.

    Returns:
        The bytes; None if the answer does not say.
    """
    place = jax.sharding.SingleDeviceSharding(found.chips[0])
    large = jax.ShapeDtypeStruct((2**44,), np.float32, sharding=place)
    try:
        jax.jit(lambda x: x + 1).lower(large).compile()
    except jax.errors.JaxRuntimeError as error:
        if said := _AVAILABLE.search(str(error)):
            return int(float(said[1]) * _UNITS[said[2]])
    return None


@dataclass(frozen=True, kw_only=True)
class ChipStrategy(Strategy):
    """A strategy on chips that are not there, to be compiled and not to be run.

    Attributes:
        chips: the devices of a `Topology`; the first `devices` times `data_devices` of them.

    Raises:
        ValueError: if there is no such order, or there are fewer chips.

    Examples:
        >>> ChipStrategy(order="scan", devices=4)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: devices times data_devices must be at most the 0 chips, ...
    """

    chips: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        one_of(("vmap", "scan", "unrolled"), order=self.order)
        at_least(1, devices=self.devices, data_devices=self.data_devices)
        if self._count > len(self.chips):
            raise Refused(
                f"devices times data_devices must be at most the {len(self.chips)} chips, got "
                f"{self.devices} times {self.data_devices}"
            )

    @property
    def together(self) -> bool:
        """Nothing runs, so nothing is there to be gathered."""
        return False

    def place(self, tree: Any, axis: int | None) -> Any:
        """The shapes of arrays as the chips would hold them; no array is moved.

        Args:
            tree: arrays or their shapes, with a leading axis of models where `axis` is 0.
            axis: 0 or None, as in `over_models`.
        """
        spec = PartitionSpec() if axis is None else PartitionSpec(MODELS)
        sharding = NamedSharding(self.mesh(), spec)
        shapes = jax.eval_shape(lambda: tree)
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                leaf.shape, leaf.dtype, sharding=sharding, weak_type=leaf.weak_type
            ),
            shapes,
        )

    def mesh(self) -> Mesh:
        """The chips, by the axes of models and, where they share batches, of data."""
        chips = np.array(self.chips[: self._count])
        if self.data_devices == 1:
            return Mesh(chips, (MODELS,))
        return Mesh(chips.reshape(self.devices, self.data_devices), (MODELS, DATA))


@contextmanager
def _environment(names: Mapping[str, str]) -> Iterator[None]:
    """Variables that are set for a while, where they are not set already."""
    own = [name for name in names if name not in os.environ]
    os.environ.update({name: names[name] for name in own})
    try:
        yield
    finally:
        for name in own:
            del os.environ[name]
