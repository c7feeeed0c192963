"""Compile the programs of a fleet for absent chips, and read the compiler's analysis."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import compiled_for
from pptp_jax.training.batched_programs import GroupRules, epoch_of_group, start_group
from pptp_jax.training.optimizer import PhaseOptimizer
from pptp_jax.training.phase import Phase
from pptp_jax.training.recipe import Recipe
from pptp_jax.training.state import TrainState
from pptp_jax.training.topology import ChipStrategy
from pptp_jax.training.trainer import Trainer

_COLLECTIVES = re.compile(
    r" (all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute|collective-broadcast)"
    r"(?:-start)?\("
)
# The TPU compiler writes products of matrices as convolutions, too, without a window of pixels.
_CONVOLUTIONS = re.compile(r" convolution\([^\n]*window=\{size=\d*[2-9]\d*x")


@dataclass(frozen=True, kw_only=True)
class ChipProgram:
    """The compiler's analysis of a program on one chip.

    Attributes:
        bytes: what it reads and writes, each loop counted once: of an epoch it is a step and what
            the epoch does once. Where models take their turns, one of them is counted.
        operations: the floating-point operations, counted likewise.
        arguments: the bytes of its arguments as the chip lays them out, padding among them.
        results: those of results that do not take the place of arguments.
        temporaries: those that it needs besides.
        code: those of the program itself.
        collectives: how often chips exchange something, by kind.
        convolutions: how many convolutions with a window of several pixels it has; the compiler
            makes some of batched products, too.

    Examples:
        >>> parts = {"arguments": 8, "results": 4, "temporaries": 2, "code": 1}
        >>> counts = {"bytes": 0.0, "operations": 0.0, "collectives": {}, "convolutions": 0}
        >>> program = ChipProgram(**counts, **parts)
        >>> program.memory
        15
    """

    bytes: float
    operations: float
    arguments: int
    results: int
    temporaries: int
    code: int
    collectives: Mapping[str, int]
    convolutions: int

    @property
    def memory(self) -> int:
        """The bytes of a chip that it takes."""
        return self.arguments + self.results + self.temporaries + self.code


def compiled(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """Compiles a program for chips that are not there, and keeps it out of JAX's cache on disk.

    Such a program can be written there and not be read again.

    Args:
        lowered: what `jax.jit(...).lower(...)` makes of shapes on the chips of a `Topology`.

    Examples:
        >>> print(compiled(jax.jit(jnp.sin).lower(0.0))(0.0))
        0.0
    """
    name = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, name)
    jax.config.update(name, math.inf)
    try:
        return lowered.compile()
    finally:
        jax.config.update(name, before)


def analysed(program: jax.stages.Compiled) -> ChipProgram:
    """The compiler's analysis of a program.

    Its prediction of time is left out: it can be negative.

    Args:
        program: the compiled program.

    Examples:
        >>> program = analysed(jax.jit(jnp.dot).lower(jnp.ones((8, 4)), jnp.ones((4, 2))).compile())
        >>> program.operations, program.arguments, dict(program.collectives)
        (128.0, 160, {})
    """
    cost: Any = program.cost_analysis() or {}
    plan: Any = program.memory_analysis()
    text = program.as_text() or ""
    return ChipProgram(
        bytes=float(cost.get("bytes accessed", 0.0)),
        operations=float(cost.get("flops", 0.0)),
        arguments=plan.argument_size_in_bytes,
        results=plan.output_size_in_bytes - plan.alias_size_in_bytes,
        temporaries=plan.temp_size_in_bytes,
        code=plan.generated_code_size_in_bytes,
        collectives=Counter(_COLLECTIVES.findall(text)),
        convolutions=len(_CONVOLUTIONS.findall(text)),
    )


@dataclass(frozen=True, kw_only=True)
class FleetShape:
    """The parts of a fleet that its programs depend on.

    Attributes:
        trainer: how each model is trained.
        recipe: the phases.
        optimizer: makes the transform.
        data: the data set, or its shapes.
        members: on how many examples a model trains.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training.optimizer import SGD
        >>> from pptp_jax.training.recipes import undefended
        >>> trainer = Trainer(mlp([8], num_classes=10), None, batch_size=32)
        >>> data = Arrays.of(Digits().load())
        >>> fleet = FleetShape(
        ...     trainer=trainer, recipe=undefended(1), optimizer=SGD(), data=data, members=64
        ... )
        >>> fleet.recipe.slug
        'undefended_1'
    """

    trainer: Trainer
    recipe: Recipe
    optimizer: PhaseOptimizer
    data: Arrays
    members: int


class PhasePrograms(NamedTuple):
    """The programs of a phase, to be compiled.

    Attributes:
        start: how the phase begins.
        epoch: an epoch of it.
        step: a single step, by itself; None of a phase that trains ensembles.
    """

    start: jax.stages.Lowered
    epoch: jax.stages.Lowered
    step: jax.stages.Lowered | None


def lowered_programs(
    fleet: FleetShape, strategy: ChipStrategy, models: int
) -> Iterator[PhasePrograms]:
    """The programs that train a group of a fleet, phase by phase.

    Args:
        fleet: the fleet.
        strategy: how the group is trained, and on which chips.
        models: how many are trained side by side, on all chips together.
    """
    trainer, data = strategy.place((fleet.trainer, fleet.data), None)
    rules = GroupRules(trainer, fleet.optimizer, strategy)
    keys, members, rows = strategy.place(_models(fleet, models), 0)
    before = None
    for i, phase in enumerate(fleet.recipe.phases):
        taught = fleet.recipe.taught(i)
        earlier = (before,) * len(phase.restored)
        given = rules, phase, taught, keys, data, members, before, earlier
        state = strategy.place(jax.eval_shape(partial(start_group, *given[:3]), *given[3:]), 0)
        step = None
        # Products as a TPU multiplies them, not the machine at hand.
        with compiled_for("tpu"):
            if phase.ensemble is None:
                few = strategy.place(_cut(fleet.data, rows.shape[1]), None)
                step = _step_of_group.lower(rules, phase, state, few, rows, keys)
            start = start_group.lower(*given)
            epoch = epoch_of_group.lower(rules, phase, state, data, members, keys, 0, 0)
        yield PhasePrograms(start, epoch, step)
        before = jax.eval_shape(partial(TrainState.left, fork=phase.fork, axis=1), state)


@partial(jax.jit, donate_argnums=2)
def _step_of_group(
    rules: GroupRules,
    phase: Phase,
    state: TrainState,
    data: Arrays,
    places: Int[Array, "models batch"],
    keys: Key[Array, " models"],
) -> tuple[TrainState, Float[Array, " models"]]:
    """A step of each model of a group, on the examples at some of its places."""

    def one(
        trainer: Trainer, phase: Phase, state: TrainState, data: Arrays, own: Any, key: Any
    ) -> tuple[TrainState, Float[Array, ""]]:
        step = trainer.step(rules.optimizer, phase, state, data, data, 1, 0, trainer.batch_size)
        teacher = state.memory.teacher
        return step(state, own, None if teacher is None else teacher[own], key)

    mapped = rules.strategy.over_models(one, (None, None, 0, None, 0, 0))
    return mapped(rules.trainer, phase, state, data, places, keys)


def _cut(data: Arrays, examples: int) -> Arrays:
    """The shapes of fewer examples: an epoch lays out all of them again, and a step does not."""

    def fewer(leaf: Any) -> Any:
        return jax.ShapeDtypeStruct((min(leaf.shape[0], examples), *leaf.shape[1:]), leaf.dtype)

    shapes = jax.eval_shape(lambda: data)
    return shapes._replace(x=jax.tree.map(fewer, shapes.x), y=jax.tree.map(fewer, shapes.y))


def _models(fleet: FleetShape, models: int) -> Any:
    """The models' keys, their members, and the rows of a batch, as shapes."""
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), models))
    size = fleet.recipe.places(fleet.members, fleet.trainer.batch_size)
    rows = [jax.ShapeDtypeStruct((models, n), jnp.int32) for n in (fleet.members, size)]
    return keys, *rows
