"""Distances found by labels alone, against the exact ones of linear models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear import MODEL, linear

from pptp_jax.probes import boundary_distance
from pptp_jax.probes.boundary_distance import BISECTIONS, HALVINGS, STARTS, Budget, distance_to

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
    with pytest.raises(ValueError, match="queries must be a whole number of at least 309, got 300"):
        boundary_distance(MODEL, fleet, data, jnp.arange(3), KEY, queries=300)
