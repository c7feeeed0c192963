"""What every objective is."""

from typing import Protocol

from jaxtyping import Array, Float, Int


class Objective(Protocol):
    """A loss of a batch: plain frozen data that can be called.

    An objective is a pytree whose leaves are its strengths, so that a change of a strength compiles
    nothing anew and a sweep over strengths can be mapped.

    Attributes:
        name: what a table calls it.
        strength: the number that a sweep moves; None if there is none.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def strength(self) -> float | None: ...  # noqa: D102

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int[Array, " batch"],
        *,
        epoch: Int[Array, ""] | int,
    ) -> Float[Array, ""]:
        """The loss of one batch.

        Args:
            logits: the network's outputs.
            labels: the true classes.
            epoch: the number of the epoch within its phase, from 0.
        """
        ...
