"""The sampling of batches, which an accountant needs besides the noise."""

from dataclasses import dataclass
from typing import Self

from pptp_jax.validation import Refused, at_least, fraction, keep_python_numbers


@dataclass(frozen=True, kw_only=True)
class PoissonSampling:
    """Each example joins each batch by its own coin flip.

    The batches vary in size. The aggregation divides by the expected size, and padding brings them
    to one shape. To cut a batch that outgrows the padding ties the examples to one another: the
    probability that any batch is cut is part of δ; see `epsilon`.

    Attributes:
        rate: the probability that an example joins a batch; where it differs between examples, the
            highest.
        steps: the number of batches.
        overflow: the probability that a batch is cut; 0 if none ever is.

    Raises:
        ValueError: if a probability lies outside [0, 1] or there are no steps.

    Examples:
        >>> PoissonSampling.of(batch_size=64, dataset_size=6400, steps=1000)
        PoissonSampling(rate=0.01, steps=1000, overflow=0.0)
    """

    rate: float
    steps: int
    overflow: float = 0.0

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        fraction(rate=self.rate, overflow=self.overflow)
        at_least(1, steps=self.steps)

    @classmethod
    def of(cls, *, batch_size: int, dataset_size: int, steps: int) -> Self:
        """The sampling with an expected batch size.

        Args:
            batch_size: the expected number of examples in a batch.
            dataset_size: the number of examples, which is taken to be public.
            steps: the number of batches.

        Raises:
            ValueError: if a number is below 1 or the batch is larger than the data set.
        """
        _check_sizes(batch_size, dataset_size)
        return cls(rate=batch_size / dataset_size, steps=steps)


@dataclass(frozen=True, kw_only=True)
class ShuffledBatches:
    """The examples are dealt out into batches of fixed size, in a new order each epoch.

    What does not fill a batch is left out of the epoch. The order may be known to the attacker and
    may be the same in each epoch: the accounting draws nothing from it.

    Attributes:
        batch_size: the number of examples in a batch.
        dataset_size: the number of examples.
        steps: the number of batches over all epochs.

    Raises:
        ValueError: if a number is below 1 or the batch is larger than the data set.

    Examples:
        >>> ShuffledBatches(batch_size=64, dataset_size=6400, steps=250).epochs
        3
    """

    batch_size: int
    dataset_size: int
    steps: int

    def __post_init__(self) -> None:
        keep_python_numbers(self)
        _check_sizes(self.batch_size, self.dataset_size)
        at_least(1, steps=self.steps)

    @property
    def epochs(self) -> int:
        """The epochs begun, hence the most batches that one example can be in."""
        return -(-self.steps // (self.dataset_size // self.batch_size))


def _check_sizes(batch_size: int, dataset_size: int) -> None:
    at_least(1, batch_size=batch_size, dataset_size=dataset_size)
    if batch_size > dataset_size:
        raise Refused(
            f"batch_size must be at most dataset_size, got {batch_size} of {dataset_size}"
        )
