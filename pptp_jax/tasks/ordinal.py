"""Classes in order: grades, stages, stars."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pptp_jax.tasks.batch import Batch
from pptp_jax.tasks.task import Task
from pptp_jax.validation import Refused


@jax.tree_util.register_static
@dataclass(frozen=True)
class Ordinal(Task):
    r"""Networks that answer, for K classes in order, with K − 1 numbers.

    They make cumulative logits that are in order whatever the network says: \(c_1 = o_1\) and
    \(c_{k+1} = c_k + \log(1 + e^{o_{k+1}})\), with \(P(y < k) = 1 / (1 + e^{-c_k})\). The distances
    may differ from example to example. The loss is −log p(label), the confidence the log-odds of
    the label. The utility is the absolute error of the median class, in classes.

    References:
        McCullagh, "Regression Models for Ordinal Data", 1980,
        https://doi.org/10.1111/j.2517-6161.1980.tb01109.x; that softplus keeps the order is ours

    Examples:
        >>> outputs = jnp.array([[-1.0, 1.0]])
        >>> batch = Batch(jnp.zeros((1, 3)), jnp.array([1]))
        >>> print(jnp.exp(-Ordinal().losses(outputs, batch)).round(2))  # σ(0.313) − σ(−1)
        [0.31]
    """

    name: ClassVar[str] = "ordinal regression"
    utility_name: ClassVar[str] = "mean absolute error"
    higher_is_better: ClassVar[bool] = False

    def losses(self, outputs: Float[Array, "batch cuts"], batch: Batch) -> Float[Array, " batch"]:
        """−log p(label)."""
        assert batch.targets is not None
        return -self.log_prob(outputs, batch.targets)

    def confidence(
        self, answers: Float[Array, "batch cuts"], targets: Int[Array, " batch"]
    ) -> Float[Array, " batch"]:
        """The log-odds of the label, from sums of positive numbers alone."""
        below, above = _around(_cumulative(answers), targets)
        log = jax.nn.log_sigmoid
        return self.log_prob(answers, targets) - jnp.logaddexp(log(below), log(-above))

    def log_prob(
        self, answers: Float[Array, "batch cuts"], targets: Int[Array, " batch"]
    ) -> Float[Array, " batch"]:
        """Log p(label)."""
        below, above = _around(_cumulative(answers), targets)
        # σ(b) − σ(a) = σ(b) σ(−a) (1 − e^(a − b)), without a difference of numbers near 1; nor is
        # b − a one, which is what the network has said.
        last = answers.shape[1]
        inside = (targets > 0) & (targets < last)
        said = jnp.take_along_axis(answers, jnp.minimum(targets, last - 1)[:, None], axis=1)[:, 0]
        apart = jax.nn.softplus(said)
        between = jnp.where(inside, jnp.log(-jnp.expm1(-jnp.where(inside, apart, 1.0))), 0.0)
        return jax.nn.log_sigmoid(above) + jax.nn.log_sigmoid(-below) + between

    def utility(
        self, answers: Float[Array, "batch cuts"], targets: Int[Array, " batch"]
    ) -> Float[Array, " batch"]:
        """The number of classes by which the median of the answer misses the label."""
        median = (_cumulative(answers) < 0).sum(-1)
        return jnp.abs(median - targets).astype(jnp.float32)

    def divergence(
        self, outputs: Float[Array, "batch cuts"], before: Float[Array, "batch cuts"]
    ) -> Float[Array, " batch"]:
        """KL(p ‖ p before) over the classes."""
        now, then = self._every(outputs), self._every(before)
        return (jnp.exp(now) * (now - then)).sum(0)

    def _every(self, outputs: Float[Array, "batch cuts"]) -> Float[Array, "classes batch"]:
        classes = range(outputs.shape[1] + 1)
        full = [jnp.full(len(outputs), label) for label in classes]
        return jnp.stack([self.log_prob(outputs, labels) for labels in full])

    def check(self, outputs: Any, data: Any) -> None:
        """Refuses data without classes, and a model that has not one output fewer than classes.

        Raises:
            ValueError: saying what does not fit.
        """
        if data.num_classes is None:
            raise Refused(f"{data.name} has no classes, and an order needs some: give num_classes")
        shape, cuts = getattr(outputs, "shape", None), data.num_classes - 1
        if shape is None or shape[1:] != (cuts,):
            found = "a structure of arrays" if shape is None else f"shape {shape}"
            raise Refused(
                f"{data.name} has {data.num_classes} classes in order, so the model must return "
                f"shape (batch, {cuts}); it returns {found}"
            )


def _cumulative(outputs: Float[Array, "batch cuts"]) -> Float[Array, "batch cuts"]:
    first, rest = outputs[:, :1], jax.nn.softplus(outputs[:, 1:])
    return jnp.cumsum(jnp.concatenate([first, rest], axis=1), axis=1)


def _around(
    cumulative: Float[Array, "batch cuts"], targets: Int[Array, " batch"]
) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
    """The cumulative logits below and above each label; infinite at the ends."""
    ends = jnp.full((len(cumulative), 1), jnp.inf, cumulative.dtype)
    every = jnp.concatenate([-ends, cumulative, ends], axis=1)
    # A one-hot product would make NaN of an infinite end.
    below = jnp.take_along_axis(every, targets[:, None], axis=1)[:, 0]
    above = jnp.take_along_axis(every, targets[:, None] + 1, axis=1)[:, 0]
    return below, above
