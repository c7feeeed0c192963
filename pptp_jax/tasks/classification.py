"""Classification: one score a class, and one label an example."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.tasks.batch import Batch
from pptp_jax.tasks.signal import Signal
from pptp_jax.tasks.task import Task
from pptp_jax.validation import Refused


def logit_scaled_confidence(
    logits: Float[Array, "*batch classes"], labels: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """φ = z_y − log Σ_{y'≠y} exp z_y', the log-odds of the label, without cancellation.

    The label's probability is sigmoid(φ) and its loss softplus(−φ), so φ carries them all, and to
    full precision where a probability would have been rounded to 1.

    References:
        Carlini et al., "Membership Inference Attacks From First Principles", 2022,
        https://arxiv.org/abs/2112.03570

    Examples:
        >>> print(logit_scaled_confidence(jnp.array([50.0, 0.0]), jnp.array(0)))
        50.0
    """
    label = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
    others = jax.nn.logsumexp(jnp.where(label, -jnp.inf, logits), axis=-1)
    return jnp.where(label, logits, 0).sum(-1) - others


def _confidence(
    answers: Float[Array, "*batch classes"], targets: Int[Array, "*#batch"]
) -> Float[Array, "*batch"]:
    return logit_scaled_confidence(answers, jnp.broadcast_to(targets, answers.shape[:-1]))


def _correct(
    answers: Float[Array, "*batch classes"], targets: Int[Array, "*#batch"]
) -> Bool[Array, "*batch"]:
    return answers.argmax(axis=-1) == targets


_ASKED = ("models", "queries", "examples")

CONFIDENCE = Signal(name="confidence", axes=_ASKED, access="scores", at="stops", reduce=_confidence)
CORRECT = Signal(name="correct", axes=_ASKED, access="labels", dtype="bool", reduce=_correct)
LOGITS = Signal(
    name="logits",
    axes=(*_ASKED, "classes"),
    access="scores",
    reduce=lambda answers, targets: answers,
)
LOG_PROB = Signal(
    name="log_prob",
    axes=_ASKED,
    access="scores",
    derive=lambda confidence: jax.nn.log_sigmoid(confidence),
)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Classification(Task):
    """Networks that answer with logits, one a class.

    The confidence is φ, the log-odds of the label; the utility is accuracy.

    Examples:
        >>> batch = Batch(jnp.zeros((1, 3)), jnp.array([0]))
        >>> print(Classification().losses(jnp.zeros((1, 2)), batch))
        [0.6931472]
    """

    name: ClassVar[str] = "classification"
    utility_name: ClassVar[str] = "accuracy"
    classes: ClassVar[bool] = True

    @property
    def signals(self) -> tuple[Signal, ...]:
        """φ, whether the label is right, the logits, and log p of the label."""
        return CONFIDENCE, CORRECT, LOGITS, LOG_PROB

    def losses(
        self, outputs: Float[Array, "batch classes"], batch: Batch
    ) -> Float[Array, " batch"]:
        """−log p(label)."""
        return optax.losses.softmax_cross_entropy_with_integer_labels(outputs, batch.targets)

    def utility(
        self, answers: Float[Array, "batch classes"], targets: Int[Array, " batch"]
    ) -> Bool[Array, " batch"]:
        """Whether the prediction is the label."""
        return _correct(answers, targets)

    def teaching(self, outputs: Float[Array, "batch classes"]) -> Float[Array, "batch classes"]:
        """The probabilities."""
        return jax.nn.softmax(outputs)

    def divergence(
        self, outputs: Float[Array, "batch classes"], before: Float[Array, "batch classes"]
    ) -> Float[Array, " batch"]:
        """KL(p ‖ p before)."""
        now, then = jax.nn.log_softmax(outputs), jax.nn.log_softmax(before)
        # From logarithms: where a probability is rounded to 0, its own logarithm has no gradient.
        return (jnp.exp(now) * (now - then)).sum(-1)

    def check(self, outputs: Any, data: Any) -> None:
        """Refuses a model that does not answer with one score a class.

        Raises:
            ValueError: naming both numbers of classes.
        """
        shape = getattr(outputs, "shape", None)
        if shape is None or shape[1:] != (data.num_classes,):
            found = "a structure of arrays" if shape is None else f"shape {shape}"
            raise Refused(
                f"{data.name} has {data.num_classes} classes, so the model must return logits of "
                f"shape (batch, {data.num_classes}); it returns {found}"
            )
