"""What an audit by canaries is: wrongly labelled examples, each in a run by a coin of its own."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from pptp_jax.audit.bound import check_level
from pptp_jax.data import Arrays, Dataset, Source, absent_rows, sample
from pptp_jax.models import Model
from pptp_jax.objectives import Objective
from pptp_jax.training import (
    DEFAULT_OPTIMIZER,
    Optimizer,
    Phase,
    Recipe,
    check_members,
    check_model,
    phase_optimizer,
)
from pptp_jax.validation import Refused, at_least, given, keep_python_numbers
from pptp_jax.validation.field_types import check_fields
from pptp_jax.validation.names import file_name


@dataclass(frozen=True, kw_only=True)
class CanaryAudit:
    """An audit as plain frozen data: what is trained, how, and by which canaries it is tested.

    Some examples get wrong labels. In each run each of these canaries is present or absent by a
    fair coin. An absent canary keeps its place in its batch, but its gradient is zero: this is the
    relation between data sets for which the ε of shuffled batches is claimed, and that of Poisson
    batches holds for it as well; every run has as many steps.

    Attributes:
        name: what the run directory is called by default.
        data: where the examples come from.
        model: what is trained.
        recipes: the trainings that are audited.
        canaries: how many examples get wrong labels.
        held_out: how many examples no run trains on, for the accuracy.
        runs: how many models each recipe trains.
        examples: how many examples take part; None takes all.
        optimizer: an `SGD` or `AdamW`, an optax transform, or a function from the number of
            steps of a phase's schedule to one.
        batch_size: the examples in a step.
        standardize: whether the model standardises its inputs, as in a `Study`.
        delta: the δ of the bounds; None takes 1 / (10 · places), that of the guarantee, with a
            place for each example and each canary.
        confidence: of each bound.
        seed: what every draw derives from.

    Raises:
        ValueError: if there are too few runs, canaries or recipes, or a recipe does more with its
            members than to take gradients of a loss of outputs and labels.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> from pptp_jax.training import undefended
        >>> audit = CanaryAudit(
        ...     name="mine",
        ...     data=Digits(),
        ...     model=mlp([16], num_classes=10),
        ...     recipes=(undefended(2),),
        ... )
        >>> audit.canaries, audit.runs
        (400, 64)
    """

    name: str
    data: Source
    model: Model
    recipes: tuple[Recipe, ...]
    canaries: int = 400
    held_out: int = 500
    runs: int = 64
    examples: int | None = None
    optimizer: Optimizer = DEFAULT_OPTIMIZER
    batch_size: int = 64
    standardize: bool | None = None
    delta: float | None = None
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        check_audit(self)
        at_least(1, canaries=self.canaries)

    def plant(self) -> "Planted":
        """Reads the data, gives the canaries their labels and throws the coins.

        Raises:
            ValueError: if there are too few examples.
        """
        data = self.data.load(partial(sample, examples=self.examples, multiple=1, seed=self.seed))
        needed = self.canaries + self.held_out + 1
        if len(data) < needed:
            raise Refused(
                f"{data.name} has {len(data)} examples; {self.canaries} canaries and "
                f"{self.held_out} held out leave none to train on"
            )
        rng = np.random.default_rng(self.seed)
        order = rng.permutation(len(data))
        canaries, held_out = order[: self.canaries], order[self.canaries : needed - 1]
        if data.num_classes is None:
            raise Refused(f"{data.name} has no classes, and canaries are examples of a wrong class")
        labels = data.y.copy()
        wrong = rng.integers(1, data.num_classes, self.canaries)
        labels[canaries] = (data.y[canaries] + wrong) % data.num_classes
        present = rng.random((self.runs, self.canaries)) < 0.5
        planted = Planted(data, labels, canaries, held_out, np.sort(order[needed - 1 :]), present)
        for recipe in self.recipes:
            check_members(recipe, planted.places, self.batch_size)
            check_model(recipe, self.model, Arrays.of(data).batch_shape())
        return planted


class Planted(NamedTuple):
    """Data with canaries in them.

    Attributes:
        data: the examples.
        labels: theirs, with wrong ones for the canaries.
        canaries: the rows with wrong labels.
        held_out: the rows that no run trains on.
        others: the rows that every run trains on.
        present: in which run each canary is.
    """

    data: Dataset
    labels: Int[np.ndarray, " examples"]
    canaries: Int[np.ndarray, " canaries"]
    held_out: Int[np.ndarray, " held_out"]
    others: Int[np.ndarray, " others"]
    present: Bool[np.ndarray, "runs canaries"]

    @property
    def places(self) -> int:
        """How many examples a run's batches are dealt from, absent canaries included."""
        return len(self.canaries) + len(self.others)

    def members(self) -> Int[np.ndarray, "runs places"]:
        """Each run's rows: a canary's place is the same, whether it is present or absent."""
        canaries = np.where(self.present, self.canaries, absent_rows(self.canaries))
        others = np.broadcast_to(self.others, (len(self.present), len(self.others)))
        return np.concatenate([canaries, others], axis=1)


def check_audit(audit: Any) -> None:
    """Makes an audit's numbers Python's, and refuses those that cannot be, before any training.

    Recipes may do no more with members than take gradients of outputs and labels.
    """
    keep_python_numbers(audit)
    check_fields(audit)
    file_name(name=audit.name)
    phase_optimizer(audit.optimizer)
    counts = {"recipes": len(audit.recipes), "held_out": audit.held_out}
    at_least(1, batch_size=audit.batch_size, **counts, **given(examples=audit.examples))
    check_level(0.0 if audit.delta is None else audit.delta, audit.confidence)
    at_least(8, runs=audit.runs)
    at_least(0, seed=audit.seed)
    for recipe in audit.recipes:
        for phase in recipe.phases:
            _check_phase(recipe, phase)


def _check_phase(recipe: Recipe, phase: Phase) -> None:
    learns = any(type(part).learn is not Objective.learn for part in phase.by_region.values())
    more = {
        "an ensemble": phase.ensemble is not None,
        "a fork": phase.fork is not None,
        "a teacher": phase.needs_teacher,
        "reference examples": phase.needs_reference or phase.examples == "reference",
        "mixed inputs": phase.mixes,
        "an objective that learns from members itself": learns,
        "vulnerable weights": phase.rewound_weights is not None,
    }
    found = [name for name, there in more.items() if there]
    if found:
        raise Refused(
            f"canaries audit trainings that take gradients of outputs and labels alone, where an "
            f"absent example can have none; {recipe.name} has {' and '.join(found)}"
        )
