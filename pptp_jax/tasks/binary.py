"""Two classes with one logit, and several labels with one logit each."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.tasks.batch import Batch
from pptp_jax.tasks.signal import Signal
from pptp_jax.tasks.task import Task, by_query
from pptp_jax.validation import Refused


@jax.tree_util.register_static
@dataclass(frozen=True)
class Binary(Task):
    """Networks that answer with one logit z, for the label 1 against the label 0.

    The loss is the binary cross-entropy. The confidence is the log-odds of the label, z or −z, the
    same as that of a classifier with the logits (0, z); the utility is accuracy.

    Examples:
        >>> batch = Batch(jnp.zeros((2, 3)), jnp.array([0, 1]))
        >>> print(Binary().losses(jnp.zeros((2, 1)), batch))
        [0.6931472 0.6931472]
        >>> print(Binary().confidence(jnp.array([[2.0], [2.0]]), batch.targets))
        [-2.  2.]
    """

    name: ClassVar[str] = "binary classification"
    utility_name: ClassVar[str] = "accuracy"

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The log-odds of the label, its log-probability, and whether the label is right."""
        correct = by_query("correct", self.utility, access="labels")
        return (*super().signals, correct)

    def losses(self, outputs: Float[Array, "batch 1"], batch: Batch) -> Float[Array, " batch"]:
        """−log p(label)."""
        assert batch.targets is not None
        return -self.log_prob(outputs, batch.targets)

    def confidence(
        self, answers: Float[Array, "batch 1"], targets: Int[Array, " batch"]
    ) -> Float[Array, " batch"]:
        """The log-odds of the label."""
        return _signed(answers[:, 0], targets)

    def log_prob(
        self, answers: Float[Array, "batch 1"], targets: Int[Array, " batch"]
    ) -> Float[Array, " batch"]:
        """Log p(label)."""
        return jax.nn.log_sigmoid(self.confidence(answers, targets))

    def utility(
        self, answers: Float[Array, "batch 1"], targets: Int[Array, " batch"]
    ) -> Bool[Array, " batch"]:
        """Whether the likelier label is the right one."""
        return (answers[:, 0] > 0) == (targets == 1)

    def divergence(
        self, outputs: Float[Array, "batch 1"], before: Float[Array, "batch 1"]
    ) -> Float[Array, " batch"]:
        """KL(p ‖ p before)."""
        return _divergence(outputs, before).sum(-1)

    def check(self, outputs: Any, data: Any) -> None:
        """Refuses data without two classes, and a model with more than one output.

        Raises:
            ValueError: saying what does not fit.
        """
        if data.num_classes != 2:
            found = "no classes" if data.num_classes is None else f"{data.num_classes} classes"
            raise Refused(f"{data.name} has {found}, and one logit is for two")
        _check_shape(outputs, data.name, 1, "two classes and one logit")


@jax.tree_util.register_static
@dataclass(frozen=True)
class MultiLabel(Task):
    """Networks that answer with a logit for each of several labels, of which any may hold.

    The labels count as independent: the loss is the sum of their binary cross-entropies, which is
    −log p of all labels together. The confidence is the sum of the labels' log-odds: Gaussian over
    shadows if logits are, where log p and its log-odds are skewed by the label that is missed most.
    The utility is the share of an example's labels that are right.

    Examples:
        >>> batch = Batch(jnp.zeros((1, 3)), jnp.array([[0.0, 1.0]]))
        >>> print(MultiLabel().losses(jnp.zeros((1, 2)), batch))
        [1.3862944]
    """

    name: ClassVar[str] = "multi-label classification"
    utility_name: ClassVar[str] = "accuracy by label"

    def losses(self, outputs: Float[Array, "batch labels"], batch: Batch) -> Float[Array, " batch"]:
        """−log p of all labels."""
        assert batch.targets is not None
        return -self.log_prob(outputs, batch.targets)

    def confidence(
        self, answers: Float[Array, "batch labels"], targets: Float[Array, "batch labels"]
    ) -> Float[Array, " batch"]:
        """The sum of the labels' log-odds."""
        return _signed(answers, targets).sum(-1)

    def log_prob(
        self, answers: Float[Array, "batch labels"], targets: Float[Array, "batch labels"]
    ) -> Float[Array, " batch"]:
        """Log p of all labels."""
        return jax.nn.log_sigmoid(_signed(answers, targets)).sum(-1)

    def utility(
        self, answers: Float[Array, "batch labels"], targets: Float[Array, "batch labels"]
    ) -> Float[Array, " batch"]:
        """The share of the labels that are right."""
        return ((answers > 0) == (targets > 0)).astype(jnp.float32).mean(-1)

    def divergence(
        self, outputs: Float[Array, "batch labels"], before: Float[Array, "batch labels"]
    ) -> Float[Array, " batch"]:
        """KL(p ‖ p before), summed over the labels."""
        return _divergence(outputs, before).sum(-1)

    def check(self, outputs: Any, data: Any) -> None:
        """Refuses targets that are not zeros and ones, and a model with another number of outputs.

        Raises:
            ValueError: saying what does not fit.
        """
        y = data.y
        if data.num_classes is not None or y.ndim != 2 or not ((y == 0) | (y == 1)).all():
            raise Refused(
                f"{data.name}: several labels are targets of zeros and ones as floats, of shape "
                f"(examples, labels), without num_classes; got {y.dtype} of shape {y.shape}"
            )
        _check_shape(outputs, data.name, y.shape[1], f"{y.shape[1]} labels")


def _signed(logits: Float[Array, "..."], targets: Any) -> Float[Array, "..."]:
    return jnp.where(targets > 0, logits, -logits)


def _divergence(now: Float[Array, "..."], then: Float[Array, "..."]) -> Float[Array, "..."]:
    p, log = jax.nn.sigmoid(now), jax.nn.log_sigmoid
    return p * (log(now) - log(then)) + (1 - p) * (log(-now) - log(-then))


def _check_shape(outputs: Any, name: str, width: int, what: str) -> None:
    shape = getattr(outputs, "shape", None)
    if shape is None or shape[1:] != (width,):
        found = "a structure of arrays" if shape is None else f"shape {shape}"
        raise Refused(
            f"{name} has {what}, so the model must return shape (batch, {width}); it returns "
            f"{found}"
        )
