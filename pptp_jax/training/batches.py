"""How the batches of a phase are drawn, by the trainer and for the accountant."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from pptp_jax.data import absent_rows
from pptp_jax.pytree import pytree
from pptp_jax.validation import Refused, fraction, given, python_number


class Drawing(NamedTuple):
    """The numbers of a phase's batches, which the trainer and the accountant share.

    Attributes:
        steps: how many batches an epoch has.
        size: how many places a batch has.
        expected: how many examples a batch has on average: what a private sum is divided by.
        rate: the highest probability with which an example joins a batch.
        overflow: the highest probability that a batch has too few places for its examples.
    """

    steps: int
    size: int
    expected: float
    rate: float = 1.0
    overflow: float = 0.0


@pytree
@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """The examples are dealt out into batches of fixed size, in a new order each epoch.

    What does not fill a batch is left out of the epoch.

    Examples:
        >>> Shuffled().drawing(examples=100, batch_size=32)
        Drawing(steps=3, size=32, expected=32, rate=1.0, overflow=0.0)
    """

    def drawing(self, examples: int, batch_size: int, multiple: int = 1) -> Drawing:
        """The number and size of batches, for a number of examples and a batch size."""
        del multiple  # the batch size is one, or is refused
        return Drawing(examples // batch_size, batch_size, batch_size)

    def draw(
        self, key: Key[Array, ""], examples: int, drawing: Drawing
    ) -> Int[Array, "steps places"]:
        """The places of an epoch's examples, a row for each step."""
        order = jax.random.permutation(key, examples)
        return order[: drawing.steps * drawing.size].reshape(drawing.steps, drawing.size)


@pytree
@dataclass(frozen=True, kw_only=True)
class Poisson:
    """Each example joins each batch by a coin flip of its own, for a private gradient alone.

    Batches vary in size. They have one number of places, large enough that a step draws more
    examples than places with probability `overflow` at most; empty places give no gradient. If it
    does, the last examples are left out: the accountant adds the probability that this ever
    happens to δ. The number of places is the least for which a Chernoff bound is below
    `overflow`; it holds for rates that differ as well, and every example has a place if there are
    no more examples than places. An epoch has as many steps as with shuffled batches.

    The rates are no leaves: the number of places, hence the compiled program, depends on them.

    Attributes:
        rate: the probability that an example joins a batch, or one for each member, by its place
            among the members, such as an array (members,); None is batch_size / examples. The sum
            over the examples is the expected size of a batch, which noise and gradients are divided
            by. **Rates that were chosen by looking at an example's values are not private.**
        overflow: the probability of more examples than places in one step, at most.

    Raises:
        ValueError: if a rate lies outside [0, 1], none is above 0, or `overflow` is not between 0
            and 1e-6.

    References:
        Chua et al., "Scalable DP-SGD: Shuffling vs. Poisson Subsampling", NeurIPS 2024,
        https://arxiv.org/abs/2411.04205, on padding and truncation.

    Examples:
        >>> Poisson().drawing(examples=1024, batch_size=128)
        Drawing(steps=8, size=228, expected=128.0, rate=0.125, overflow=1e-16)
        >>> Poisson(rate=np.array([0.5, 0.25])).rate
        (0.5, 0.25)
    """

    rate: float | tuple[float, ...] | None = jax.tree.static(default=None)
    overflow: float = jax.tree.static(default=1e-16)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", plain_numbers(self.rate))
        object.__setattr__(self, "overflow", python_number(self.overflow))
        if getattr(self.rate, "ndim", 0):
            raise Refused("rate must be one number, or one for each member in an array (members,)")
        fraction(**given(rate=np.array(self.rate) if isinstance(self.rate, tuple) else self.rate))
        if self.rate is not None and not np.sum(self.rate) > 0:
            raise Refused("a rate must be above 0 for some example, or every batch is empty")
        fraction(overflow=self.overflow)
        if not 0 < self.overflow <= 1e-6:
            raise Refused(f"overflow must lie above 0 and be at most 1e-6, got {self.overflow}")

    def drawing(self, examples: int, batch_size: int, multiple: int = 1) -> Drawing:
        """The number and size of batches, for a number of examples and a batch size.

        Args:
            examples: how many there are.
            batch_size: with the examples, how many steps an epoch has, and the rate if it is None.
            multiple: of what the number of places must be one.

        Raises:
            ValueError: if there is not one rate for each example.
        """
        rates = self.rates(examples, batch_size)
        places = _places(examples, float(rates.sum()), self.overflow)
        size = -(-places // multiple) * multiple
        expected = float(batch_size) if self.rate is None else float(rates.sum())
        overflow = self.overflow if size < examples else 0.0
        return Drawing(examples // batch_size, size, expected, float(rates.max()), overflow)

    def draw(
        self, key: Key[Array, ""], examples: int, drawing: Drawing
    ) -> Int[Array, "steps places"]:
        """The places of each step's examples; the empty places hold `absent_rows(0)`."""
        each = self.rates(examples, 1) if isinstance(self.rate, tuple) else drawing.rate
        rates = jnp.asarray(each, jnp.float32)

        def one(key: Key[Array, ""]) -> Int[Array, " places"]:
            joins = jax.random.uniform(key, (examples,), jnp.float32) < rates
            [drawn] = jnp.nonzero(joins, size=drawing.size, fill_value=absent_rows(0))
            return drawn.astype(jnp.int32)

        return jax.lax.map(one, jax.random.split(key, drawing.steps))

    def rates(self, examples: int, batch_size: int) -> Float[np.ndarray, " examples"]:
        """The probability with which each example joins a batch.

        Args:
            examples: how many there are.
            batch_size: the number of places of a batch where `rate` is None.

        Raises:
            ValueError: if there is not one rate for each example.
        """
        if isinstance(self.rate, tuple) and len(self.rate) != examples:
            raise Refused(
                f"Poisson batches have {len(self.rate)} rates for {examples} examples: give one "
                "for each, by its place among the members"
            )
        rate = np.asarray(batch_size / examples if self.rate is None else self.rate, np.float64)
        # A uniform number of float32 is a multiple of its resolution: rounded up to one, a rate is
        # exactly the probability that the number lies below it.
        return np.broadcast_to(np.ceil(rate / _RESOLUTION) * _RESOLUTION, examples)


def placed(rows: Int[Array, " examples"], places: Int[Array, " batch"]) -> Int[Array, " batch"]:
    """The rows at some places; an empty place keeps the first row's, as one that is absent.

    Args:
        rows: where the examples stand in the data; of `absent_rows` each keeps its place alone.
        places: which of them are meant; empty ones are negative.

    Examples:
        >>> print(placed(jnp.array([7, absent_rows(5)]), jnp.array([0, 1, absent_rows(0)])))
        [ 7 -6 -8]
    """
    found = rows[jnp.maximum(places, 0)]
    empty = (places < 0) & (found >= 0)
    return jnp.where(empty, absent_rows(found), found)


Batches = Shuffled | Poisson

_RESOLUTION = 2.0**-23


def plain_numbers(given: Any) -> Any:
    """A number, or one for each member, as Python's numbers: hashable, and compared by value.

    Examples:
        >>> plain_numbers(np.array([0.5, 1.0])), plain_numbers(None)
        ((0.5, 1.0), None)
    """
    if isinstance(given, tuple | list) or getattr(given, "ndim", 0) == 1:
        return tuple(python_number(one) for one in given)
    return python_number(given)


def _places(examples: int, mean: float, overflow: float) -> int:
    """The least number of places that a number of examples fills with that probability at most.

    P(S >= k) <= exp(-n KL(k/n || m/n)) for a sum S of n independent coins of mean m, and k > m.
    """
    least = min(examples, math.floor(mean) + 1)
    for places in range(least, examples):
        if examples * _divergence(places / examples, mean / examples) >= -math.log(overflow):
            return places
    return examples


def _divergence(a: float, b: float) -> float:
    """The Kullback-Leibler divergence of two coins, for b <= a < 1."""
    return a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))
