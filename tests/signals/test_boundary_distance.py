"""Distances found by labels alone, against the exact ones of linear models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear import MODEL, linear

from pptp_jax.signals import boundary_distance
from pptp_jax.signals.boundary_distance import BISECTIONS, HALVINGS, STARTS, Budget, distance_to

KEY = jax.random.key(0)


def test_distances_to_a_plane() -> None:
    fleet, data, w, x, y = linear()
    rows = jnp.arange(5, 40)
    found = boundary_distance(MODEL, fleet, data, rows, KEY, queries=1500)
    for own, weights in zip(np.asarray(found), w, strict=True):
        normal = weights[:, 1] - weights[:, 0]
        side = np.where(y == 1, 1, -1) * (x @ normal) / np.linalg.norm(normal)
        exact = np.maximum(side, 0)[5:]
        assert (own[exact == 0] == 0).all()
        assert (own >= exact - 1e-4).all()
        assert np.median(own[exact > 0] / exact[exact > 0]) < 1.02
        # Where the range of the data cuts the shortest way off, it is longer.
        assert (own[exact > 0] < 1.3 * exact[exact > 0] + 0.05).mean() > 0.9


def naive_distance(crossed, x, start, directions, low, high):
    """HopSkipJump once more, in float64 and one query after the other, from what was published.

    Chen et al. 2020, algorithm 2 with the Monte Carlo estimate (eq. 16), the geometric step (16)
    and a bisection; as many directions in each step, as ours has.
    """

    def bisected(far):
        near = x
        for _ in range(30):
            middle = (near + far) / 2
            near, far = (near, middle) if crossed(middle) else (middle, far)
        return far

    at = bisected(start)
    for step, draws in enumerate(directions, 1):
        distance = np.linalg.norm(at - x)
        radius = distance / np.sqrt(x.size)
        sides, moves = [], []
        for draw in draws:
            seen = np.clip(at + radius * draw / np.linalg.norm(draw), low, high)
            sides.append(1.0 if crossed(seen) else -1.0)
            moves.append(seen - at)
        centred = np.array(sides) - np.mean(sides) if abs(np.mean(sides)) < 1 else np.array(sides)
        towards = (centred[:, None] * moves).sum(axis=0)
        towards /= np.linalg.norm(towards)
        length = distance / np.sqrt(step)
        while not crossed(np.clip(at + length * towards, low, high)) and length > 1e-6:
            length /= 2
        tried = bisected(np.clip(at + length * towards, low, high))
        at = tried if np.linalg.norm(tried - x) < distance else at
    return np.linalg.norm(at - x)


def test_a_search_comes_as_close_as_its_naive_twin_and_as_the_truth() -> None:
    """The distance to a plane is |w·x + b| / ‖w‖."""
    rng, budget = np.random.default_rng(3), Budget(iterations=6, directions=60)

    @jax.jit
    def search(w, b, x, start, key):
        starts, bounds = jnp.tile(start, (STARTS, 1)), (jnp.float32(-9), jnp.float32(9))
        return distance_to(lambda p: p @ w + b > 0, x, starts, key, budget, *bounds)

    ours, twins = [], []
    for i in range(40):
        w, x = rng.normal(size=8), rng.uniform(-1, 1, size=8)
        b = -(w @ x) - rng.uniform(0.2, 1)  # x lies on the near side, and the start beyond
        start = x + 3 * rng.uniform(0.5, 1) * w / np.linalg.norm(w) + rng.normal(size=8) / 2
        exact = abs(w @ x + b) / np.linalg.norm(w)
        directions = rng.normal(size=(budget.iterations, budget.directions, 8))
        twin = naive_distance(
            lambda p, w=w, b=b: w @ p + b > 0, x, start, directions, low=-9, high=9
        )
        found = search(*map(jnp.float32, (w, b, x, start)), jax.random.key(i))
        ours.append(found / exact)
        twins.append(twin / exact)
    assert min(ours) > 1 - 1e-4 and min(twins) > 1 - 1e-6
    # They draw other directions, so that they agree on average.
    assert abs(np.mean(ours) - np.mean(twins)) < 0.005 and np.mean(ours) < 1.02


def test_more_queries_come_closer() -> None:
    fleet, data, _, _, _ = linear(features=20)
    few, many = (
        np.asarray(boundary_distance(MODEL, fleet, data, jnp.arange(40), KEY, queries=q)).mean()
        for q in (350, 3000)
    )
    assert many < few


def test_a_search_asks_as_often_as_its_budget_says() -> None:
    asked = []

    def crossed(x):
        asked.append(len(x))
        return x[:, 0] > 0.5

    budget = Budget(iterations=2, directions=9)
    x, starts = jnp.zeros(3), jnp.ones((STARTS, 3))
    with jax.disable_jit():
        found = distance_to(crossed, x, starts, KEY, budget, jnp.float32(0), jnp.float32(1))
    assert sum(asked) == budget.queries == 1 + STARTS + BISECTIONS + 2 * (9 + HALVINGS + BISECTIONS)
    assert 0.5 < found < 0.9


def test_without_a_start_the_distance_is_the_largest_there_is() -> None:
    far = distance_to(
        lambda x: jnp.zeros(len(x), bool),
        jnp.zeros(4),
        jnp.ones((STARTS, 4)),
        KEY,
        Budget(1, 8),
        jnp.float32(0),
        jnp.float32(3),
    )
    assert float(far) == 6.0


@pytest.mark.parametrize("queries", [700, 1000, 1999])
def test_a_budget_is_used_and_not_exceeded(queries: int) -> None:
    budget = Budget.of(queries, iterations=10)
    assert queries - 10 < budget.queries <= queries


def test_too_few_queries_are_refused() -> None:
    fleet, data, _, _, _ = linear()
    with pytest.raises(ValueError, match="queries must be an integer of at least 309, got 300"):
        boundary_distance(MODEL, fleet, data, jnp.arange(3), KEY, queries=300)
