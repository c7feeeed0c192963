"""The base class of tasks: loss, outputs, utility and signals of a kind of model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Shaped

from pptp_jax.tasks.batch import Batch
from pptp_jax.tasks.signal import Access, At, Signal
from pptp_jax.validation import Refused, one_of

# A pytree of arrays, examples first.
Outputs = Any


class Task(ABC):
    """A kind of model: plain frozen data, registered as a static pytree.

    A task says what training, signals, attacks and reports must know of a kind of model, and owns
    no loop. Two of its signals are compulsory, so that every attack works on every task: the
    confidence and the log-probability.

    Attributes:
        name: what records call it.
        utility_name: what tables call the utility.
        higher_is_better: whether a larger utility is the better one.
        classes: whether outputs are one score a class, for objectives, releases and attacks that
            need that.
        conditional: whether networks see the targets as well, such as the label of an image that
            they draw.
        blind: the pattern of the parameters that learn from no example, by `blind_losses` alone, in
            private training: what they learn follows from the rest of the network, so it needs
            neither clip nor noise. None where all parameters learn from examples.

    Examples:
        >>> from pptp_jax.tasks import Classification
        >>> Classification().utility_name, [s.name for s in Classification().signals][:2]
        ('accuracy', ['confidence', 'log_prob'])
    """

    name: ClassVar[str]
    utility_name: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    classes: ClassVar[bool] = False
    conditional: ClassVar[bool] = False
    blind: ClassVar[str | None] = None

    @abstractmethod
    def losses(self, outputs: Outputs, batch: Batch) -> Float[Array, " batch"]:
        """The loss of each example, which plain training lowers."""

    @abstractmethod
    def confidence(self, answers: Outputs, targets: Any) -> Float[Array, " batch"]:
        """How well each example is fitted: the larger the better, about Gaussian over shadows."""

    @abstractmethod
    def log_prob(self, answers: Outputs, targets: Any) -> Float[Array, " batch"]:
        """The log-likelihood of the targets, up to a constant."""

    @abstractmethod
    def utility(self, answers: Outputs, targets: Any) -> Shaped[Array, " batch"]:
        """The quality of each answer; its mean over non-members is the utility of a model."""

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signals of every model of this kind."""
        return by_query("confidence", self.confidence, at="stops"), by_query(
            "log_prob", self.log_prob
        )

    def signal(self, name: str) -> Signal:
        """One of the signals.

        Raises:
            ValueError: if the task has none of this name.
        """
        found = {signal.name: signal for signal in self.signals}
        one_of(found, signal=name)
        return found[name]

    def outputs(
        self, model: Any, variables: Any, batch: Batch, *, train: Any, key: Key[Array, ""] | None
    ) -> tuple[Outputs, Any]:
        """The outputs of a network on a batch, and its new state: by default in one call.

        Args:
            model: the `Model`.
            variables: its parameters and state.
            batch: the examples.
            train: as in `Model.apply`.
            key: the randomness of the call; None in eval mode.
        """
        named = model.named_rows(batch.rows) if train else {}
        outputs, state = model.apply(*variables, batch.inputs, train=train, key=key, **named)
        return outputs, state

    def blind_losses(
        self, model: Any, variables: Any, size: int, key: Key[Array, ""]
    ) -> Float[Array, " size"]:
        """The losses that the `blind` parameters lower in private training, of no example.

        Args:
            model: the `Model`.
            variables: its parameters and state.
            size: how many losses.
            key: what all randomness of them derives from.

        Raises:
            ValueError: if the task has no such parameters.
        """
        raise Refused(f"all parameters of the task {self.name} learn from examples")

    def answers(self, outputs: Outputs) -> Outputs:
        """The outputs that a user of the model receives, in float32."""
        return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), outputs)

    def teaching(self, outputs: Outputs) -> Outputs:
        """The targets of a student from these outputs, as `Batch.teacher`."""
        return outputs

    def divergence(self, outputs: Outputs, before: Outputs) -> Float[Array, " batch"]:
        """The divergence of a network's outputs from earlier ones, for each example.

        Raises:
            ValueError: if the task has no such measure.
        """
        raise Refused(f"the task {self.name} does not say how far two answers are apart")

    def check(self, outputs: Any, data: Any) -> None:
        """Refuses a model or data that are not of this kind, before anything is trained.

        Args:
            outputs: the shapes of what the model makes of a batch.
            data: the `Dataset`.

        Raises:
            ValueError: saying what does not fit.
        """
        return None


def by_query(
    name: str,
    function: Callable[[Outputs, Any], Shaped[Array, " batch"]],
    *,
    access: Access = "scores",
    at: At = "end",
    answer: tuple[str, ...] = (),
) -> Signal:
    """The signal that a function of a batch's answers and targets gives for each query.

    Args:
        name: what it is called.
        function: `function(answers, targets)`, a row a query; all rows have the example's targets.
        access: what the attacker needs of the model.
        at: when it is taken.
        answer: the axes that the function's result has behind the rows.
    """

    def reduce(answers: Outputs, targets: Any) -> Shaped[Array, "queries ..."]:
        queries = len(jax.tree.leaves(answers)[0])
        repeated = jax.tree.map(lambda t: jnp.broadcast_to(t[None], (queries, *t.shape)), targets)
        return function(answers, repeated)

    axes = ("models", "queries", "examples", *answer)
    return Signal(name=name, axes=axes, access=access, at=at, reduce=reduce)
