"""Classification: one score a class, and one label an example."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from pptp_jax.tasks.batch import Batch
from pptp_jax.tasks.signal import Signal
from pptp_jax.tasks.task import Task, by_query
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
        """φ, log p of the label, whether the label is right, and the logits."""
        return (
            by_query("confidence", self.confidence, at="stops"),
            Signal(
                name="log_prob",
                axes=("models", "queries", "examples"),
                access="scores",
                derive=lambda confidence: jax.nn.log_sigmoid(confidence),
            ),
            by_query("correct", self.utility, access="labels"),
            by_query("logits", lambda answers, targets: answers, answer=("classes",)),
        )

    def losses(
        self, outputs: Float[Array, "batch classes"], batch: Batch
    ) -> Float[Array, " batch"]:
        """−log p(label)."""
        return optax.losses.softmax_cross_entropy_with_integer_labels(outputs, batch.targets)

    def confidence(
        self, answers: Float[Array, "batch classes"], targets: Int[Array, " batch"]
    ) -> Float[Array, " batch"]:
        """φ."""
        return logit_scaled_confidence(answers, targets)

    def log_prob(
        self, answers: Float[Array, "batch classes"], targets: Int[Array, " batch"]
    ) -> Float[Array, " batch"]:
        """Log p(label), to full precision where p is near 1."""
        return jax.nn.log_sigmoid(logit_scaled_confidence(answers, targets))

    def utility(
        self, answers: Float[Array, "batch classes"], targets: Int[Array, " batch"]
    ) -> Bool[Array, " batch"]:
        """Whether the prediction is the label."""
        return answers.argmax(axis=-1) == targets

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
        if data.num_classes is None:
            raise Refused(
                f"{data.name} has no classes, so the model needs another task than classification"
            )
        shape = getattr(outputs, "shape", None)
        if shape is None or shape[1:] != (data.num_classes,):
            found = "a structure of arrays" if shape is None else f"shape {shape}"
            raise Refused(
                f"{data.name} has {data.num_classes} classes, so the model must return logits of "
                f"shape (batch, {data.num_classes}); it returns {found}"
            )
