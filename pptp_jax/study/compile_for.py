"""Compile a study for a TPU pod without the TPU: memory and collectives of its programs."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax

from pptp_jax.data import Arrays
from pptp_jax.regions import asks_for_auto
from pptp_jax.study.config import Study
from pptp_jax.study.standardize import prepared
from pptp_jax.training import Recipe, Trainer, chunks, fitting_chunk, phase_optimizer
from pptp_jax.training.chip_program import (
    ChipProgram,
    FleetShape,
    analysed,
    compiled,
    lowered_programs,
)
from pptp_jax.training.mesh import check_shares
from pptp_jax.training.strategy import Order
from pptp_jax.training.topology import ChipStrategy, Topology, chip_memory, topology
from pptp_jax.validation import Refused

Log = Callable[[str], object]


def compile_for(
    study: Study,
    name: str,
    *,
    orders: Sequence[Order] = ("vmap", "scan"),
    devices: int | None = None,
    data_devices: int = 1,
    log: Log = lambda sentence: None,
) -> dict[str, Any]:
    """Compiles the programs that train a study for a TPU pod, as its processes would run them.

    A pod has one process a host. Each takes groups of models of its own and spreads them over the
    chips of its host; where `data_devices` is the number of all chips, all hosts train the same
    models together. As `pptp run` does, groups take half of a chip's memory by prediction, and are
    halved where the memory does not suffice. Signals and attacks are not compiled.

    Args:
        study: the study; its data are read, to know their shapes.
        name: the pod, such as `v5e:4x4`.
        orders: the strategies.
        devices: over how many devices of a host fleets are spread; None for all.
        data_devices: how many devices share a model's batches.
        log: receives what is being compiled.

    Returns:
        The pod, and for each recipe and order what the compiler says.

    Raises:
        ValueError: if `libtpu` is missing, the pod is unknown or has too few chips, or the study
            does not fit its data.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> model, recipes = mlp([8], num_classes=10), (undefended(1),)
        >>> study = Study(name="mine", data=Digits(), model=model, recipes=recipes)
        >>> compile_for(study, "v5litepod-16")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: a topology is KIND:GRID, as v5e:2x2, ...
    """
    pod = topology(name)
    chips, devices = _chips(pod, devices, data_devices)
    check_shares(data_devices, study.batch_size)
    study, loaded = prepared(study)
    division, membership = study.division(len(loaded)), study.membership(loaded)
    data = Arrays.of(loaded, division.reference, study.augmentation)
    members = int(membership.matrix[0].sum())
    memory = chip_memory(pod)
    hosts = len(pod.hosts) if data_devices <= len(pod.hosts[0]) else 1
    compiler, found, left_out = _Compiler(log=log), [], []
    for recipe in study.recipes:
        if asks_for_auto(recipe.region):
            left_out.append(recipe.slug)
            continue
        fleet = FleetShape(
            trainer=Trainer(study.model, recipe.regions(study.model), study.batch_size),
            recipe=recipe,
            optimizer=phase_optimizer(study.optimizer),
            data=data,
            members=members,
        )
        for order in orders:
            strategy = ChipStrategy(
                order=order, devices=devices, data_devices=data_devices, chips=chips
            )
            log(f"{recipe.slug}, {order}: compiling for {name}")
            width = _width(study, recipe, data, members, strategy, hosts, memory)
            result = compiler.results(fleet, strategy, width, memory)
            found.append({"slug": recipe.slug, "order": order, **result})
    return {
        "study": study.name,
        "topology": name,
        "kind": pod.kind,
        "chips": len(pod.chips),
        "hosts": len(pod.hosts),
        "devices": devices,
        "data_devices": data_devices,
        "chip_bytes": memory,
        "models": study.split.models,
        "recipes": found,
        "left_out": left_out,
    }


def _chips(pod: Topology, devices: int | None, data_devices: int) -> tuple[tuple[Any, ...], int]:
    """The chips of one process, or of all where they train together; and how many teams they are.

    Raises:
        ValueError: if there are fewer.
    """
    host = pod.hosts[0]
    if len(host) < data_devices == len(pod.chips) and devices in (None, 1):
        return pod.chips, 1
    devices = max(1, len(host) // data_devices) if devices is None else devices
    if devices * data_devices > len(host):
        raise Refused(
            f"a process of {pod.name} has the {len(host)} chips of its host: take at most that "
            f"many devices times data_devices, or data_devices all {len(pod.chips)}; got {devices} "
            f"times {data_devices}"
        )
    return host, devices


def _width(
    study: Study,
    recipe: Recipe,
    data: Arrays,
    members: int,
    strategy: ChipStrategy,
    hosts: int,
    memory: int | None,
) -> int:
    """The models that a process would train side by side at first."""
    models, places = study.split.models, recipe.places(members, study.batch_size)
    size = models
    if memory is not None:
        one = study.model, data, places, models, recipe.networks
        size = fitting_chunk(*one, strategy, memory)
    return strategy.filled(max(map(len, chunks(models, size, hosts))))


@dataclass
class _Compiler:
    """Compiles each distinct program once."""

    log: Log
    known: dict[str, ChipProgram | None] = field(default_factory=dict)

    def results(
        self, fleet: FleetShape, strategy: ChipStrategy, width: int, memory: int | None
    ) -> dict[str, Any]:
        """The compiler's results on a recipe's programs, in the largest groups that fit."""
        phases = self._phases(fleet, strategy, width)
        while phases is None and width > strategy.devices:
            width = strategy.filled(-(-width // 2))
            self.log(f"the memory does not suffice; going on with {width} at a time")
            phases = self._phases(fleet, strategy, width)
        if phases is None:
            return {"fits": False, "at_a_time": width}
        every = {(i, part): p for i, parts in enumerate(phases) for part, p in parts.items()}
        largest = max(every, key=lambda place: every[place].memory)
        longest = max(range(len(phases)), key=lambda i: phases[i]["epoch"].bytes)
        # Where models take turns, one keeps its turn for all steps of an epoch.
        beside = width if strategy.order == "vmap" else strategy.devices
        step = self._step(fleet, strategy, beside, longest)
        a_chip, most = width // strategy.devices, every[largest]
        kinds = {kind for program in every.values() for kind in program.collectives}
        return {
            "fits": True,
            "at_a_time": width,
            "a_chip": a_chip,
            "memory": most.memory,
            "temporaries": most.temporaries,
            "room": self._room(fleet, strategy, a_chip, largest, most, memory),
            "step_of": beside // strategy.devices,
            "step_bytes": None if step is None else step.bytes,
            "step_operations": None if step is None else step.operations,
            "epoch_bytes": phases[longest]["epoch"].bytes,
            "collectives": {
                kind: max(p.collectives.get(kind, 0) for p in every.values()) for kind in kinds
            },
        }

    def _phases(
        self, fleet: FleetShape, strategy: ChipStrategy, width: int
    ) -> list[dict[str, ChipProgram]] | None:
        """The start and the epoch of each phase; None if one of them has no room."""
        found = []
        for phase in lowered_programs(fleet, strategy, width):
            start, epoch = self._compiled(phase.start), self._compiled(phase.epoch)
            if start is None or epoch is None:
                return None
            found.append({"start": start, "epoch": epoch})
        return found

    def _step(
        self, fleet: FleetShape, strategy: ChipStrategy, width: int, phase: int
    ) -> ChipProgram | None:
        program = list(lowered_programs(fleet, strategy, width))[phase].step
        return None if program is None else self._compiled(program)

    def _room(
        self,
        fleet: FleetShape,
        strategy: ChipStrategy,
        a_chip: int,
        place: tuple[int, str],
        known: ChipProgram,
        memory: int | None,
    ) -> int | None:
        """The number of models that fit a chip, extrapolated from two compilations."""
        if memory is None:
            return None
        other, (phase, part) = a_chip // 2 if a_chip > 1 else 2, place
        programs = list(lowered_programs(fleet, strategy, other * strategy.devices))[phase]
        its = self._compiled(getattr(programs, part))
        if its is None:  # there is no room for two
            return a_chip
        steps = a_chip - other
        kept = (known.arguments + known.results - its.arguments - its.results) / steps
        passing = max(0.0, (known.temporaries - its.temporaries) / steps)
        return a_chip + max(0, math.floor((memory - known.memory) / max(1.0, kept + passing)))

    def _compiled(self, lowered: jax.stages.Lowered) -> ChipProgram | None:
        """The compiler's results on a program; None if it does not fit the chip."""
        key = hashlib.sha256(lowered.as_text().encode()).hexdigest()
        if key not in self.known:
            try:
                self.known[key] = analysed(compiled(lowered))
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                self.known[key] = None
        return self.known[key]
