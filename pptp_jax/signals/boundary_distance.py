"""The distance of an example to the decision boundary, by label-only queries.

References:
    Chen, Jordan and Wainwright, "HopSkipJumpAttack: A Query-Efficient Decision-Based Attack", 2020,
    https://arxiv.org/abs/1904.02144
    Choquette-Choo et al., "Label-Only Membership Inference Attacks", ICML 2021,
    https://arxiv.org/abs/2007.14321
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from pptp_jax.data import Arrays
from pptp_jax.models import Model, Variables, full_float32
from pptp_jax.signals.each_example import over_examples
from pptp_jax.signals.request import SignalRequest, correct
from pptp_jax.tasks import Signal
from pptp_jax.validation import at_least

# Random examples among which a first one with another label is looked for.
STARTS = 16
# How often an interval across the boundary is halved, and how often a step that leads too far is.
BISECTIONS, HALVINGS = 12, 8

Crossed = Callable[[Float[Array, "batch features"]], Bool[Array, " batch"]]


class Budget(NamedTuple):
    """How the queries of one search are spent.

    Attributes:
        iterations: how many steps are made.
        directions: how many random directions each of them looks at.
    """

    iterations: int
    directions: int

    @property
    def queries(self) -> int:
        """How many labels are requested."""
        return 1 + STARTS + BISECTIONS + self.iterations * self._of_step(self.directions)

    @staticmethod
    def _of_step(directions: int) -> int:
        return directions + HALVINGS + BISECTIONS

    @classmethod
    def of(cls, queries: int, iterations: int) -> "Budget":
        """The budget with as many directions as the queries allow.

        Raises:
            ValueError: if they do not allow for 8.

        Examples:
            >>> Budget.of(1000, iterations=10)
            Budget(iterations=10, directions=77)
        """
        at_least(1, iterations=iterations)
        least = cls(iterations, 8).queries
        at_least(least, queries=queries)
        left = queries - cls(0, 0).queries
        return cls(iterations, left // iterations - cls._of_step(0))


def boundary_distance(
    model: Model,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    key: Key[Array, ""],
    *,
    queries: int = 1000,
    iterations: int = 10,
) -> Float[Array, "models rows"]:
    """The Euclidean distance to the nearest input found that has another label than the example's.

    A search in the manner of HopSkipJump, which sees predicted labels alone: from another example
    with another label a bisection leads to the boundary; there random directions tell on which side
    of it they lie, which gives its normal; a step along it, halved until it stays on the other
    side, and another bisection come closer. Inputs stay within the range of the data.

    Deviations: every step looks at as many directions (the published number grows with the root of
    the step), and the intervals are halved a fixed number of times, so that all searches take the
    same number of queries and run side by side.

    Args:
        model: the model, in eval mode.
        fleet: the variables of some models, stacked.
        data: the examples.
        rows: the examples that are looked at.
        key: what starts and directions are drawn from; the same for all models.
        queries: how many labels the attacker may ask for, for each example and model.
        iterations: how many steps are made of them.

    Returns:
        The distance in units of the inputs as the model sees them; 0 where the model's label is
        wrong in the first place, and the diagonal of the inputs' range where no start was found.

    Raises:
        ValueError: if the queries are too few for the iterations.

    Examples:
        >>> from pptp_jax.data import Digits
        >>> from pptp_jax.models import mlp
        >>> digits, model = Arrays.of(Digits().load()), mlp([8], num_classes=10)
        >>> fleet = jax.vmap(model.init, in_axes=(0, None))(
        ...     jax.random.split(jax.random.key(0), 2), digits.inputs(slice(0, 1))
        ... )
        >>> found = boundary_distance(
        ...     model, fleet, digits, jnp.arange(5), jax.random.key(1), queries=100, iterations=1
        ... )
        >>> found.shape
        (2, 5)
    """
    budget = Budget.of(queries, iterations)
    return _distances(model, budget, fleet, data, rows, key)


@partial(jax.jit, static_argnums=1)
@full_float32
def _distances(
    model: Model,
    budget: Budget,
    fleet: Variables,
    data: Arrays,
    rows: Int[Array, " rows"],
    key: Key[Array, ""],
) -> Float[Array, "models rows"]:
    shape = data.x.shape[1:]
    low, high = data.bounds

    def of_example(own: Variables, row: Int[Array, ""]) -> Float[Array, ""]:
        def crossed(x: Float[Array, "batch features"]) -> Bool[Array, " batch"]:
            return ~correct(model, own, x.reshape(-1, *shape), data.targets(row))

        pick, search = jax.random.split(jax.random.fold_in(key, row))
        starts = jax.random.randint(pick, (STARTS,), 0, data.examples)
        candidates = data.inputs(starts).reshape(STARTS, -1)
        x = data.inputs(row).reshape(-1)
        return distance_to(crossed, x, candidates, search, budget, low, high)

    return over_examples(of_example, fleet, rows, at_once=32)


def distance_to(
    crossed: Crossed,
    x: Float[Array, " features"],
    candidates: Float[Array, "starts features"],
    key: Key[Array, ""],
    budget: Budget,
    low: Float[Array, ""],
    high: Float[Array, ""],
) -> Float[Array, ""]:
    """One search.

    Args:
        crossed: whether inputs lie on the other side of the boundary.
        x: the example.
        candidates: where the search may start.
        key: what directions are drawn from.
        budget: how many of them.
        low: the least an input may be.
        high: the most.
    """
    there = crossed(candidates)
    wrong = crossed(x[None])[0]
    size = jnp.sqrt(jnp.float32(x.size))

    def bisected(far: Float[Array, " features"]) -> Float[Array, " features"]:
        """The last point across the boundary on the way from x to a point beyond it."""

        def half(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            near, beyond = ends
            middle = (near + beyond) / 2
            over = crossed(middle[None])[0]
            return jnp.where(over, near, middle), jnp.where(over, middle, beyond)

        return jax.lax.fori_loop(0, BISECTIONS, half, (x, far))[1]

    def normal(
        key: Key[Array, ""], at: Float[Array, " features"], radius: Float[Array, ""]
    ) -> Float[Array, " features"]:
        """The direction away from x's side, by which random directions lead across."""
        draws = jax.random.normal(key, (budget.directions, x.size))
        draws = draws / jnp.linalg.norm(draws, axis=1, keepdims=True)
        seen = jnp.clip(at[None] + radius * draws, low, high)
        side = jnp.where(crossed(seen), 1.0, -1.0)
        mean = side.mean()
        weight = jnp.where(jnp.abs(mean) == 1, side, side - mean)
        found = (weight[:, None] * (seen - at[None])).sum(axis=0)
        return found / jnp.maximum(jnp.linalg.norm(found), 1e-12)

    def step(i: int | Int[Array, ""], at: Float[Array, " features"]) -> Float[Array, " features"]:
        distance = jnp.linalg.norm(at - x)
        # Wide enough that directions lie on either side though `at` itself is a little beyond.
        radius = jnp.maximum(distance / size, distance * 2.0 ** (2 - BISECTIONS))
        towards = normal(jax.random.fold_in(key, i), at, radius)
        length = distance / jnp.sqrt(jnp.float32(i) + 1)

        def shorter(_: Any, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            found, point, length = state
            tried = jnp.clip(at + length * towards, low, high)
            over = crossed(tried[None])[0]
            take = over & ~found
            return found | over, jnp.where(take, tried, point), length / 2

        _, point, _ = jax.lax.fori_loop(0, HALVINGS, shorter, (jnp.array(False), at, length))
        nearer = bisected(point)
        return jnp.where(jnp.linalg.norm(nearer - x) < distance, nearer, at)

    begin = bisected(candidates[there.argmax()])
    end = jax.lax.fori_loop(0, budget.iterations, step, begin)
    found = jnp.where(there.any(), jnp.linalg.norm(end - x), (high - low) * size)
    return jnp.where(wrong, 0.0, found)


def boundary_signal(*, queries: int = 1000, iterations: int = 10) -> Signal:
    """The signal `boundary_distance`.

    Args:
        queries: how many labels the attacker may ask for, for each example and model.
        iterations: how many steps are made of them.

    Raises:
        ValueError: if the queries are too few for the iterations.

    Examples:
        >>> boundary_signal(queries=400).settings["queries"]
        400
    """

    def take(request: SignalRequest) -> Float[Array, "models examples"]:
        parts = request.model, request.fleet, request.data, request.rows, request.key
        return boundary_distance(*parts, queries=queries, iterations=iterations)

    Budget.of(queries, iterations)
    return Signal(
        name="boundary_distance",
        axes=("models", "examples"),
        access="labels",
        take=take,
        settings={"queries": queries, "iterations": iterations},
    )
