"""Declarations of signals: numbers of a model for each example, which attacks read."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from jaxtyping import Array, Shaped

from pptp_jax.validation import Refused, one_of

# The attacker's access to a model: predicted labels, outputs, all of it, or the samples of a
# generative model alone.
Access = Literal["labels", "scores", "white-box", "samples"]
ACCESS = get_args(Access)
# Signals that cost little are taken at every stop of a training, the others at its end.
At = Literal["stops", "end"]


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A signal: a number, or several, of a model for each example.

    Attributes:
        name: its key wherever signals are kept.
        axes: the names of the axes of a fleet's array, `models` first; `examples` among them, or
            `samples` where it is of a model's samples.
        access: what the attacker needs of the model.
        at: `stops`, taken at every stop of a training, or `end`.
        reduce: `reduce(answers, targets)`, from a model's outputs for one example, a row a
            query, and the example's targets. It is computed where the answers are, example by
            example, so that answers themselves need not be kept.
        take: `take(request)`, from one model as it is; see `pptp_jax.signals.SignalRequest`.
        derive: computes it from other signals, or from `labels`, which are its parameters' names;
            of any leading axes.
        along: the name of a signal that is taken at every stop: this one is its values at all
            stops so far, behind the axis `models`. A fleet needs two stops for it.
        settings: what its numbers depend on besides, for the record.

    Raises:
        ValueError: if it is not said how the signal is computed, or its axes lack one.

    Examples:
        >>> doubled = Signal(
        ...     name="doubled",
        ...     axes=("models", "queries", "examples"),
        ...     access="scores",
        ...     derive=lambda confidence: 2 * confidence,
        ... )
        >>> doubled.needs, doubled.examples_axis
        (('confidence',), 2)
    """

    name: str
    axes: tuple[str, ...]
    access: Access
    at: At = "end"
    reduce: Callable[[Any, Any], Shaped[Array, "..."]] | None = None
    take: Callable[[Any], Shaped[Array, "..."]] | None = None
    derive: Callable[..., Shaped[Array, "..."]] | None = None
    along: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of(ACCESS, access=self.access)
        one_of(("stops", "end"), at=self.at)
        ways = self.reduce, self.take, self.derive, self.along
        if sum(way is not None for way in ways) != 1:
            raise Refused(f"the signal {self.name} needs one of reduce, take, derive and along")
        if self.axes[:1] != ("models",) or not {"examples", "samples"} & {*self.axes}:
            raise Refused(
                f"the signal {self.name} needs axes that begin with 'models' and have 'examples', "
                f"or 'samples' of a generative model, got {self.axes}"
            )
        if self.along is not None and self.axes[1:2] != ("stops",):
            raise Refused(
                f"the signal {self.name}, along stops, needs axes that begin with 'models' and "
                f"'stops', got {self.axes}"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        """The signals from which it is derived."""
        return () if self.derive is None else tuple(inspect.signature(self.derive).parameters)

    @property
    def kept(self) -> bool:
        """Whether a fleet stores it; the others are derived from stored ones."""
        return self.derive is None and self.along is None

    @property
    def examples_axis(self) -> int:
        """The axis of the examples in a fleet's array."""
        return self.axes.index("examples")
