"""Regression: networks that predict numbers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pptp_jax.tasks.batch import Batch
from pptp_jax.tasks.task import Task
from pptp_jax.validation import Refused, positive


@jax.tree_util.register_static
@dataclass(frozen=True)
class Regression(Task):
    r"""Networks that answer with a number, or several, for an example.

    With the residual \(r\), the loss is \(\tfrac12 \|r\|^2 / \sigma^2\), the negated log-likelihood
    of Gaussian noise up to a constant. The confidence is \(-(\|r\| / \sigma)^{2/3}\): by Wilson and
    Hilferty, the cube root of a sum of squares of Gaussians is nearly Gaussian, as attacks such as
    LiRA assume it. The utility is the mean squared error, in the units of the targets squared.

    Attributes:
        scale: \(\sigma\), in the units of the targets: about the deviation of a good model.

    Raises:
        ValueError: if the scale is not positive.

    References:
        Wilson and Hilferty, "The Distribution of Chi-Square", 1931,
        https://doi.org/10.1073/pnas.17.12.684

    Examples:
        >>> batch = Batch(jnp.zeros((2, 3)), jnp.array([0.0, 2.0]))
        >>> print(Regression().losses(jnp.zeros((2, 1)), batch))
        [0. 2.]
    """

    scale: float = 1.0

    name: ClassVar[str] = "regression"
    utility_name: ClassVar[str] = "mean squared error"
    higher_is_better: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive(scale=self.scale)

    def losses(
        self, outputs: Float[Array, "batch numbers"], batch: Batch
    ) -> Float[Array, " batch"]:
        """½ ‖r‖² / σ²."""
        assert batch.targets is not None
        return -self.log_prob(outputs, batch.targets)

    def confidence(
        self, answers: Float[Array, "batch numbers"], targets: Float[Array, "batch ..."]
    ) -> Float[Array, " batch"]:
        """−(‖r‖ / σ)^⅔."""
        return -jnp.cbrt(_squares(answers, targets).sum(-1) / self.scale**2)

    def log_prob(
        self, answers: Float[Array, "batch numbers"], targets: Float[Array, "batch ..."]
    ) -> Float[Array, " batch"]:
        """−½ ‖r‖² / σ²."""
        return -_squares(answers, targets).sum(-1) / (2 * self.scale**2)

    def utility(
        self, answers: Float[Array, "batch numbers"], targets: Float[Array, "batch ..."]
    ) -> Float[Array, " batch"]:
        """The squared error, averaged over an example's numbers."""
        return _squares(answers, targets).mean(-1)

    def divergence(
        self, outputs: Float[Array, "batch numbers"], before: Float[Array, "batch numbers"]
    ) -> Float[Array, " batch"]:
        """The divergence of two Gaussians around the answers, ½ ‖difference‖² / σ²."""
        return -self.log_prob(outputs, before)

    def check(self, outputs: Any, data: Any) -> None:
        """Refuses data with classes, and a model with another number of answers than targets.

        Raises:
            ValueError: saying what does not fit.
        """
        if data.num_classes is not None:
            raise Refused(
                f"{data.name} has {data.num_classes} classes, and regression is of numbers: give "
                "floats and num_classes=None"
            )
        if data.y.dtype.kind != "f":
            raise Refused(
                f"{data.name} has a vocabulary, and regression is of numbers: give floats"
            )
        shape = getattr(outputs, "shape", None)
        numbers = data.y[0].size
        if shape is None or shape[1:] != (numbers,):
            found = "a structure of arrays" if shape is None else f"shape {shape}"
            raise Refused(
                f"{data.name} has {numbers} number(s) an example, so the model must return shape "
                f"(batch, {numbers}); it returns {found}"
            )


def _squares(
    answers: Float[Array, "batch numbers"], targets: Float[Array, "batch ..."]
) -> Float[Array, "batch numbers"]:
    return (answers - targets.reshape(answers.shape)) ** 2
