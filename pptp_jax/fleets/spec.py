"""The specification of a fleet: models of one recipe that differ in key and members."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from pptp_jax.data import Arrays, Augmentation, Dataset
from pptp_jax.distributed.engines import Executor
from pptp_jax.distributed.processes import Processes
from pptp_jax.fleets.stored_fleet import StoredFleet
from pptp_jax.models import Model
from pptp_jax.signals import IDENTITY, Query, utility
from pptp_jax.tasks import Signal
from pptp_jax.training import SGD, Optimizer, Progress, Recipe, Strategy, usual_strategy
from pptp_jax.validation import Refused, at_least

OnProgress = Callable[[Recipe, Progress], None]
OnFleet = Callable[[Recipe, StoredFleet], None]
NOBODY = np.arange(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class FleetSpec:
    """A fleet as data: model, recipe, data and members, and the stored signals.

    Attributes:
        model: what is trained.
        recipe: how.
        data: the examples.
        members: each model's rows; those of `absent_rows` keep a place and give no gradient.
        optimizer: an `SGD` or `AdamW`, an optax transform, or a function from the number of
            steps of a phase's schedule to one.
        batch_size: the members in a step.
        seed: what the models' keys derive from.
        reference: the rows that no model learns, and defences may look at.
        augmentation: what is done to inputs in training.
        signals: what is kept of each model beside its confidence and its utility: at the end, or
            at every stop where the signal says so.
        queries: the queries for each example, such as mirrored images.
        queried: the rows of the queried examples; None for all.
        stops: the epochs after which signals are taken on the way as well.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> spec = FleetSpec(
        ...     model=mlp([8], num_classes=10),
        ...     recipe=undefended(2),
        ...     data=Digits().load(),
        ...     members=np.arange(256).reshape(2, 128),
        ... )
        >>> spec.models, spec.ends
        (2, (2,))
    """

    model: Model
    recipe: Recipe
    data: Dataset
    members: Int[np.ndarray, "models members"]
    optimizer: Optimizer = field(default_factory=SGD)
    batch_size: int = 64
    seed: int = 0
    reference: Int[np.ndarray, " reference"] = field(default_factory=lambda: NOBODY)
    augmentation: Augmentation | None = None
    signals: tuple[Signal, ...] = ()
    queries: tuple[Query, ...] = (IDENTITY,)
    queried: Int[np.ndarray, " queried"] | None = None
    stops: tuple[int, ...] = ()

    @property
    def models(self) -> int:
        """How many models it has."""
        return len(self.members)

    @property
    def places(self) -> bool:
        """Whether some members only keep their places."""
        return bool((self.members < 0).any())

    @cached_property
    def arrays(self) -> Arrays:
        """The examples on the device."""
        return Arrays.of(self.data, self.reference, self.augmentation)

    @property
    def rows(self) -> Int[Array, " queried"]:
        """The rows of the queried examples."""
        return jnp.arange(len(self.data)) if self.queried is None else jnp.asarray(self.queried)

    @property
    def queried_arrays(self) -> Arrays:
        """The queried examples, on the device."""
        if self.queried is None:
            return self.arrays
        x, y = (jax.tree.map(lambda a: a[self.rows], t) for t in (self.arrays.x, self.arrays.y))
        return self.arrays._replace(x=x, y=y)

    @property
    def kept(self) -> tuple[Signal, ...]:
        """All signals that are kept at the end, each once."""
        task = self.model.task
        every = (task.signal("confidence"), utility(task), *self.signals)
        return tuple({s.name: s for s in every if s.kept}.values())

    @property
    def ends(self) -> tuple[int, ...]:
        """The epochs after which signals are taken, the last of them the end of the recipe.

        On the way of an ensemble there are none: no network stands there.
        """
        stops, ended = set(self.stops), 0
        for phase in self.recipe.phases:
            if phase.ensemble is not None:
                stops -= set(range(ended + 1, ended + int(phase.epochs) + 1))
            ended += int(phase.epochs)
        return tuple(sorted({stop for stop in stops if stop < ended} | {ended}))

    def signals_at(self, epochs: int) -> tuple[Signal, ...]:
        """The signals that are kept after a number of epochs."""
        end = epochs == self.ends[-1]
        return tuple(signal for signal in self.kept if end or signal.at == "stops")


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """How fleets are executed; no field changes a number, up to rounding.

    Attributes:
        strategy: how models of a group are trained, if the fleet has no plan yet.
        processes: those that share the work.
        executor: trains the groups elsewhere, in processes that see the same files: any executor
            of `concurrent.futures`, or what submits as they do; None trains in this process.
        workers: how many groups are trained at once; a fleet that is not begun yet gets at least as
            many, if it has as many models.
        resume: whether what an earlier run has left is used.
        on_progress: is given the recipe and its progress after each epoch; with an executor after
            each group.
        on_fleet: is given each recipe of several and its fleet as soon as that is finished; in
            process 0 alone.
        stop: whether to stop; called after each epoch, with an executor five times a second.
        log: is given sentences: predicted memory, and what is shared, halved or sent again.

    Raises:
        ValueError: if the executor submits nothing, or there are other processes besides.

    Examples:
        >>> from pptp_jax.training import Strategy
        >>> Runtime(strategy=Strategy(order="scan"), log=print).resume
        True
    """

    strategy: Strategy = field(default_factory=usual_strategy)
    processes: Processes = field(default_factory=Processes)
    executor: Executor | None = None
    workers: int = 1
    resume: bool = True
    on_progress: OnProgress = lambda recipe, progress: None
    on_fleet: OnFleet = lambda recipe, fleet: None
    stop: Callable[[], bool] = lambda: False
    log: Callable[[str], object] = lambda sentence: None

    def __post_init__(self) -> None:
        at_least(1, workers=self.workers)
        if self.executor is not None and not isinstance(self.executor, Executor):
            raise Refused(
                f"executor must have a method submit(function, *arguments), as those of "
                f"concurrent.futures, got {self.executor!r}"
            )
        if self.executor is not None and self.processes.count > 1:
            raise Refused(
                f"an executor has workers of its own, so processes must be one alone, got "
                f"{self.processes.count}"
            )

    @property
    def shares(self) -> int:
        """Among how many processes the groups of a fleet are dealt out."""
        return max(self.workers, self.processes.count)
