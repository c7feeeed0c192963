"""The range of a task's inputs, which its networks see mapped onto [−1, 1]."""

from typing import Any, ClassVar

from jaxtyping import Array, Float

from pptp_jax.validation import Refused


class InputRange:
    """Inputs from `low` to `high`: what tasks of generative models have in common.

    A task that derives from it has both as fields, and calls `check_range` and `check_inputs`.

    Attributes:
        low: what is mapped onto −1, the least number of the inputs.
        high: what is mapped onto 1.
        builder: the function that makes models of the task, for messages.

    Examples:
        >>> import numpy as np
        >>> class Percent(InputRange):
        ...     low, high, builder = 0.0, 100.0, "gauge"
        >>> print(Percent().scaled(np.array([0.0, 25.0, 100.0])))
        [-1.  -0.5  1. ]
    """

    low: float
    high: float
    builder: ClassVar[str]

    def scaled(self, inputs: Float[Array, "..."]) -> Float[Array, "..."]:
        """Inputs, mapped to where networks see them: `low` onto −1 and `high` onto 1."""
        return (inputs - self.low) * (2 / (self.high - self.low)) - 1

    def unscaled(self, images: Float[Array, "..."]) -> Float[Array, "..."]:
        """Inputs, mapped back."""
        return (images + 1) * ((self.high - self.low) / 2) + self.low

    def check_range(self) -> None:
        """Refuses a range without length.

        Raises:
            Refused: if `low` is not below `high`.
        """
        if not self.low < self.high:
            raise Refused(f"low must be below high, got {self.low} and {self.high}")

    def check_inputs(self, data: Any) -> None:
        """Refuses data with inputs out of range.

        Args:
            data: the `Dataset`.

        Raises:
            Refused: with both ranges.
        """
        low, high = (float(end) * data.scale for end in (data.x.min(), data.x.max()))
        if low < self.low or high > self.high:
            raise Refused(
                f"{data.name} has inputs from {low:g} to {high:g}, and the model was built for "
                f"{self.low:g} to {self.high:g}: set {self.builder}(low=..., high=...)"
            )
