"""The base class of objectives."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

from jaxtyping import Array, Float, Int, Key

from pptp_jax.tasks import Batch, Classification, Task
from pptp_jax.validation import Refused, one_of


class Reference(NamedTuple):
    """The network's outputs on examples that are no model's members, from the same forward pass."""

    outputs: Any
    targets: Any


class Context(NamedTuple):
    """The inputs of an objective besides the outputs and the targets of a batch.

    Attributes:
        epoch: the number of the epoch within its phase, from 0.
        teacher: what to learn instead of the targets: a teacher's answers, or mixed labels; in
            classification, probabilities. None where there is none.
        reference: the outputs on reference examples; None unless the objective asks for them.
        state: what the objective itself has learned so far; see `Objective.init`.
        task: what the model is for.

    Examples:
        >>> Context(epoch=3).teacher is None
        True
    """

    epoch: Int[Array, ""] | int = 0
    teacher: Any = None
    reference: Reference | None = None
    state: Any = ()
    task: Task = Classification()

    def needed(self, part: str, objective: str) -> Any:
        """A part that `objective` requires; refuses its absence.

        Args:
            part: `teacher`, `reference` or `state`.
            objective: whose loss is requested.

        Raises:
            ValueError: if the part is missing.

        Examples:
            >>> Context().needed("teacher", "distillation")
            Traceback (most recent call last):
                ...
            pptp_jax.validation.Refused: distillation needs context.teacher: what to learn, ...
        """
        value = getattr(self, part)
        if value is None or (isinstance(value, tuple) and not value):
            raise Refused(f"{objective} needs context.{part}: {_PARTS[part]}")
        return value


PLAIN = Context()

_PARTS = {
    "teacher": "what to learn, such as a teacher's answers or mixed labels",
    "reference": "the outputs on as many examples that are no model's members",
    "state": "what objective.init(key, outputs) gives",
}


class Objective(ABC):
    """A loss of a batch: plain frozen data that can be called.

    An objective is a pytree whose leaves are its strengths, so that a change of a strength compiles
    nothing again and a sweep over strengths can be mapped. Most objectives define `__call__` alone;
    the other methods are for those that mix inputs or learn something of their own.

    Attributes:
        name: what a table calls it.
        needs_reference: whether it needs outputs on reference examples.
        needs_teacher: whether it needs a teacher's answers.
        needs_classes: whether it takes outputs for logits and targets for labels.
        settings: the published settings by name: arguments of the class. Each class names their
            source.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from dataclasses import dataclass
        >>> from pptp_jax.pytree import pytree
        >>> @pytree
        ... @dataclass(frozen=True)
        ... class Brier(Objective):
        ...     name = "brier"
        ...
        ...     def __call__(self, logits, labels, context=PLAIN):
        ...         hard = jax.nn.one_hot(labels, logits.shape[-1])
        ...         return ((jax.nn.softmax(logits) - hard) ** 2).sum(-1).mean()
        >>> print(Brier()(jnp.zeros((1, 2)), jnp.array([0])))
        0.5
    """

    name: ClassVar[str]
    needs_reference: ClassVar[bool] = False
    needs_teacher: ClassVar[bool] = False
    needs_classes: ClassVar[bool] = True
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @classmethod
    def published(cls, setting: str) -> Self:
        """The objective as it was used in published experiments.

        Args:
            setting: one of `settings`: a data set, or a data set and a model.

        Raises:
            ValueError: if there is no such setting; names those that there are.

        Examples:
            >>> from pptp_jax.objectives import RelaxLoss
            >>> RelaxLoss.published("cifar10/vgg11_bn").alpha
            0.4
        """
        if not cls.settings:
            raise Refused(f"{cls.name} has no published settings; give its numbers")
        one_of(cls.settings, setting=setting)
        return cls(**cls.settings[setting])

    @property
    def strength(self) -> float | None:
        """The number that a sweep varies; None if there is none."""
        return None

    @abstractmethod
    def __call__(self, outputs: Any, targets: Any, context: Context = PLAIN, /) -> Float[Array, ""]:
        """The loss of one batch.

        Args:
            outputs: the network's; in classification logits (batch, classes).
            targets: what it should have said; in classification labels (batch,).
            context: what else may be looked at.
        """

    def mix(self, key: Key[Array, ""], batch: Batch, outputs: Any) -> Batch | None:
        """The batch as the network sees it; None leaves it as it is.

        Args:
            key: what is drawn depends on it.
            batch: the examples.
            outputs: the shapes of what the network makes of one example.
        """
        return None

    def init(self, key: Key[Array, ""], outputs: Any) -> Any:
        """The initial state of the objective in a phase: a pytree of arrays.

        Args:
            key: what is drawn depends on it.
            outputs: the shapes of what the network makes of one example.
        """
        return ()

    def learn(self, outputs: Any, targets: Any, context: Context, /) -> Any:
        """The state of the objective after a step, from the outputs of that step."""
        return context.state
