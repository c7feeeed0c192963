"""The specification of a risk map: model, data, members, defence and training."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int

from pptp_jax.data import Arrays, member_indices
from pptp_jax.models import Model
from pptp_jax.models.blocks import block_regions
from pptp_jax.objectives import Objective
from pptp_jax.regions import sizes
from pptp_jax.tasks import Adversarial, Denoising, Task
from pptp_jax.training import SGD, Optimizer, check_members, undefended
from pptp_jax.validation import Refused, at_least

# LiRA fits two Gaussians to the models other than the target.
_LEAST = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class RiskMapSpec:
    """The specification of a risk map.

    Attributes:
        model: what is trained: any `Model` with at least two blocks, which cover its parameters.
        data: the examples; give none on which the final evaluation is made.
        matrix: who is a member of what: for every example at least 3 models with and without it.
        defence: the objective L_D, of the defended fleet and of a region that is trained alone; of
            denoisers one that needs no classes.
        epochs: the epochs of plain training and of the defended fleet.
        early: the epochs behind the early checkpoint, below `epochs`.
        retrain: the epochs for which a region is trained alone; 0 leaves this out, which is what
            takes longest in a network with many blocks.
        optimizer: as in `train_fleet`.
        batch_size: the members in a step.
        seed: what all keys derive from.
        resamples: the number of bootstrap resamples behind every interval.
        gradient_examples: of how many examples, at most, the gradients are looked at.

    Raises:
        ValueError: if the model has no blocks to choose from, a number is out of range, or an
            example has too few models with or without it.

    Examples:
        >>> from pptp_jax import data, models
        >>> from pptp_jax.objectives import RelaxLoss
        >>> digits = Arrays.of(data.Digits().load(lambda examples: np.arange(80)))
        >>> spec = RiskMapSpec(
        ...     model=models.mlp([8], num_classes=10),
        ...     data=digits,
        ...     matrix=data.Balanced(models=6).draw(80, seed=0).matrix,
        ...     defence=RelaxLoss(alpha=1.0),
        ...     epochs=4,
        ...     batch_size=20,
        ... )
        >>> spec.members.shape, spec.ways
        ((6, 40), 4)
    """

    model: Model
    data: Arrays
    matrix: Bool[np.ndarray, "models examples"]
    defence: Objective
    epochs: int
    early: int = 2
    retrain: int = 4
    optimizer: Optimizer = SGD()  # noqa: RUF009 - frozen
    batch_size: int = 64
    seed: int = 0
    resamples: int = 500
    gradient_examples: int = 1000

    def __post_init__(self) -> None:
        at_least(0, retrain=self.retrain)
        at_least(
            1,
            early=self.early,
            resamples=self.resamples,
            gradient_examples=self.gradient_examples,
        )
        at_least(2, epochs=self.epochs)
        if self.early >= self.epochs:
            raise Refused(
                f"early must lie below the {self.epochs} epochs of the training, got {self.early}"
            )
        _check(self.model, self.data, self.matrix)
        check_members(undefended(self.epochs), self.members.shape[1], self.batch_size)

    @cached_property
    def members(self) -> Int[np.ndarray, "models members"]:
        """Each model's members."""
        return member_indices(self.matrix)

    @cached_property
    def rows(self) -> Int[np.ndarray, " rows"]:
        """The examples whose gradients are looked at."""
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.permutation(self.matrix.shape[1])[: self.gradient_examples])

    @property
    def ways(self) -> int:
        """How many of `MODIFICATIONS` are tried: all, or all but the last, which is retraining."""
        return 4 if self.retrain else 3

    @property
    def weights(self) -> dict[str, int]:
        """The number of single weights of each block."""
        return _weights(self.model, self.data)


def _weights(model: Model, data: Arrays) -> dict[str, int]:
    """The number of single weights of each block; refuses blocks that do not cover them."""
    params = model.shapes(data.batch_shape()).params
    found = sizes(block_regions(model), params)
    return {name: size.parameters for name, size in found.items()}


def check_task(task: Task) -> None:
    """Refuses a task that a risk map does not support.

    Raises:
        ValueError: if it has no classes and is neither `Denoising` nor `Adversarial`.
    """
    if not (task.classes or isinstance(task, Adversarial | Denoising)):
        raise Refused(
            "a risk map weighs attacks against accuracy, the denoising error or the distance to "
            f"samples, and {task.name} has none of them"
        )


def _check(model: Model, data: Arrays, matrix: Bool[np.ndarray, "models examples"]) -> None:
    check_task(model.task)
    names = [block.name for block in model.blocks]
    if len(names) < 2:
        raise Refused(
            f"a risk map compares the blocks of a model, and this one has {len(names)}: "
            "give Model(..., blocks=...) at least two, in forward order"
        )
    _weights(model, data)
    if matrix.ndim != 2 or matrix.dtype != bool or matrix.shape[1] != len(data.y):
        raise Refused(
            f"matrix must hold truth values of shape (models, {len(data.y)}), one an example; "
            f"got {matrix.dtype} of shape {matrix.shape}"
        )
    for kind, counts in (("with", matrix.sum(axis=0)), ("without", (~matrix).sum(axis=0))):
        if counts.min() < _LEAST:
            raise Refused(
                f"every example needs at least {_LEAST} models trained {kind} it, and some example "
                f"has {counts.min()}: take a balanced matrix of at least {2 * _LEAST} models"
            )
