"""Edges under budgets, and communities: exact values beside simulation."""

from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.release import (
    block_model,
    communities,
    debias_edges,
    edge_advantage,
    edge_epsilon,
    flip_edges,
    misclassification,
)
from pptp_jax.validation import Refused

KEY = jax.random.key(0)


def fidelity(values) -> jnp.ndarray:
    """The budgets of nodes whose fidelity is given."""
    return 2 * jnp.arctanh(jnp.asarray(values, jnp.float32))


def graph(nodes: int = 8, layers: int = 3) -> jnp.ndarray:
    upper = np.triu(np.random.default_rng(0).random((layers, nodes, nodes)) < 0.4, 1)
    return jnp.asarray(upper | upper.swapaxes(1, 2), jnp.float32)


def many(budgets, draws: int = 4000) -> np.ndarray:
    keys = jax.random.split(KEY, draws)
    return np.asarray(jax.jit(jax.vmap(lambda key: flip_edges(graph(), budgets, key)))(keys))


BUDGETS = fidelity([0.0, 0.3, 0.5, 0.5, 0.7, 0.9, 0.95, 0.2])
OFF = ~np.eye(8, dtype=bool)


def test_both_ends_flip_as_often_as_they_should():
    """Beside the naive way: two coins a pair, one for each end, joined by XOR."""
    rng = np.random.default_rng(1)
    own = np.tanh(np.asarray(BUDGETS) / 2)
    coins = rng.random((4000, 3, 8, 8)) < (1 - own[:, None]) / 2  # of the row's node
    naive = (coins ^ coins.swapaxes(2, 3)).mean(axis=(0, 1))
    flipped = (many(BUDGETS) != np.asarray(graph())).mean(axis=(0, 1))
    exact = (1 - own[:, None] * own) / 2
    np.testing.assert_allclose(flipped[OFF], exact[OFF], atol=0.02)
    np.testing.assert_allclose(naive[OFF], exact[OFF], atol=0.02)


def test_what_is_published_is_a_graph():
    drawn = many(BUDGETS, 20)
    assert set(np.unique(drawn)) == {0, 1}
    assert (drawn == drawn.swapaxes(-1, -2)).all()
    assert not drawn[..., ~OFF].any()


def test_layers_are_flipped_independently():
    flips = (many(BUDGETS) != np.asarray(graph()))[:, :, 1, 2].astype(float)
    assert np.abs(np.corrcoef(flips.T) - np.eye(3)).max() < 0.06


def test_debiased_edges_have_their_expectation():
    own = np.tanh(np.asarray(BUDGETS) / 2)
    debiased = np.asarray(
        jax.vmap(debias_edges, (0, None))(jnp.asarray(many(BUDGETS)), BUDGETS)
    ).mean(axis=0)
    np.testing.assert_allclose(debiased, np.asarray(graph()) * np.outer(own, own)[None], atol=0.04)
    assert np.abs((debiased - np.asarray(graph()) * np.outer(own, own)).mean()) < 2e-3


def test_the_expectation_is_a_block_model_again():
    """Degrees take the fidelities, exactly, whatever the layer."""
    rng = np.random.default_rng(0)
    labels, degrees = np.arange(8) % 2, rng.uniform(0.5, 1, 8)
    connectivity = np.array([[0.6, 0.2], [0.2, 0.7]])
    own = np.tanh(np.asarray(BUDGETS) / 2)
    chances = np.outer(degrees, degrees) * connectivity[labels][:, labels]
    keep = (1 + np.outer(own, own)) / 2
    published = keep * chances + (1 - keep) * (1 - chances)
    expected = np.outer(degrees * own, degrees * own) * connectivity[labels][:, labels]
    np.testing.assert_allclose(published - (1 - np.outer(own, own)) / 2, expected, atol=1e-6)


def test_full_and_no_fidelity():
    open_ = jnp.full(8, jnp.inf)
    np.testing.assert_array_equal(flip_edges(graph(), open_, KEY), graph())
    np.testing.assert_array_equal(debias_edges(graph(), open_), graph())
    assert jnp.isinf(edge_epsilon(open_)).all()
    coins = many(jnp.zeros(8))
    np.testing.assert_allclose(coins.mean(axis=(0, 1))[OFF], 0.5, atol=0.02)
    assert abs(coins[..., OFF].mean() - 0.5) < 0.002
    assert not edge_advantage(jnp.zeros(8)).any()


def test_even_budgets_recentre_as_in_one_layer():
    """With probability 1 / (1 + e^ε) to flip, that probability is subtracted off the diagonal."""
    budgets = fidelity([0.6] * 8)
    flip = 1 / (1 + np.exp(np.asarray(edge_epsilon(budgets))[0, 1]))
    published = flip_edges(graph(), budgets, KEY)
    np.testing.assert_allclose(
        debias_edges(published, budgets), (np.asarray(published) - flip) * OFF, atol=1e-6
    )


@given(st.lists(st.floats(0, 20, width=32), min_size=2, max_size=5))
def test_a_pair_is_exposed_no_more_than_either_end(budgets):
    each = jnp.asarray(budgets, jnp.float32)
    pairs = np.asarray(edge_epsilon(each))
    assert (pairs <= np.minimum(each[:, None], each[None]) * (1 + 1e-4) + 1e-5).all()
    np.testing.assert_allclose(
        np.tanh(pairs / 2), np.tanh(np.asarray(each) / 2)[:, None] * np.tanh(each / 2), atol=1e-5
    )


def test_epsilon_is_the_log_of_the_likelihood_ratio():
    drawn, truth = many(BUDGETS, 20_000)[:, :, 4, 5], np.asarray(graph())[:, 4, 5]
    right = (drawn == truth).mean()
    assert np.log(right / (1 - right)) == pytest.approx(
        float(edge_epsilon(BUDGETS)[4, 5]), abs=0.05
    )


def test_the_advantage_is_that_of_the_attacker_who_believes_what_is_published():
    both = [
        np.asarray(
            jax.jit(jax.vmap(lambda key, bits=bits: flip_edges(bits, BUDGETS, key)))(
                jax.random.split(KEY, 4000)
            )
        ).mean(axis=(0, 1))
        for bits in (jnp.ones((3, 8, 8)), jnp.zeros((3, 8, 8)))
    ]
    found = both[0] - both[1]  # true positives minus false ones
    np.testing.assert_allclose(found[OFF], np.asarray(edge_advantage(BUDGETS))[OFF], atol=0.03)


def blocks(nodes: int, layers: int, seed: int = 0, mixed: bool = True):
    """Three communities; every other layer has more edges between them than within."""
    rng = np.random.default_rng(seed)
    labels = jnp.asarray(rng.permutation(np.arange(nodes) % 3))
    inner, outer = np.eye(3, dtype=bool), ~np.eye(3, dtype=bool)
    layered = [
        0.5 * inner + 0.2 * outer if i % 2 and mixed else 0.2 * inner + 0.5 * outer
        for i in range(layers)
    ]
    degrees = jnp.asarray(rng.uniform(0.5, 1, nodes), jnp.float32)
    connectivity = jnp.asarray(np.array(layered), jnp.float32)
    return labels, block_model(labels, degrees, connectivity, jax.random.key(seed)), degrees


def test_block_models_have_their_densities():
    labels, edges, degrees = blocks(300, 2)
    within = np.asarray(labels)[:, None] == np.asarray(labels)
    np.fill_diagonal(within, False)
    chances = np.outer(degrees, degrees)
    for layer, own in ((0, 0.2), (1, 0.5)):
        found = np.asarray(edges)[layer][within].sum() / chances[within].sum()
        assert found == pytest.approx(own, abs=0.02)
    assert (edges == edges.swapaxes(1, 2)).all()
    assert not jnp.diagonal(edges, axis1=1, axis2=2).any()


def test_communities_are_found_under_noise_if_it_is_taken_out():
    labels, edges, _ = blocks(150, 10)
    half = jnp.where(jnp.arange(150) < 75, jnp.inf, fidelity([0.5])[0])
    # The key of the graph would flip its very edges.
    published = flip_edges(edges, half, jax.random.fold_in(KEY, 1))
    found = {
        (method, debiased): misclassification(
            communities(debias_edges(published, half) if debiased else published, 3, KEY, method),
            labels,
        )
        for method in ("squares", "tensor")
        for debiased in (True, False)
    }
    assert found["tensor", True] <= 0.02 and found["squares", True] <= 0.1
    assert found["tensor", False] > 0.3
    # Layers of both signs cancel in their sum.
    clean = communities(edges, 3, KEY, "sum")
    assert misclassification(communities(edges, 3, KEY), labels) == 0
    assert misclassification(clean, labels) > 0.2


def test_without_rounds_the_tensor_is_its_beginning():
    labels, edges, _ = blocks(60, 4)
    found = [np.asarray(communities(edges, 3, KEY, "tensor", rounds)) for rounds in (0, 10)]
    np.testing.assert_array_equal(found[0], communities(edges, 3, KEY, "squares"))
    assert misclassification(found[1], labels) <= misclassification(found[0], labels)


def test_error_falls_with_nodes_and_layers():
    def error(nodes: int, layers: int) -> float:
        found = []
        for seed in range(3):
            labels, edges, _ = blocks(nodes, layers, seed, mixed=False)
            budgets = fidelity([0.4] * nodes)
            published = debias_edges(flip_edges(edges, budgets, jax.random.key(seed)), budgets)
            found.append(misclassification(communities(published, 3, KEY), labels))
        return float(np.mean(found))

    few, layers, nodes = error(60, 4), error(60, 40), error(240, 4)
    assert layers < few - 0.1 and nodes < few - 0.1


def test_misclassification_is_the_least_over_all_names():
    rng = np.random.default_rng(0)
    for _ in range(10):
        found, labels = rng.integers(0, 4, (2, 30))
        naive = min((np.array(names)[found] != labels).mean() for names in permutations(range(4)))
        assert misclassification(jnp.asarray(found), jnp.asarray(labels)) == pytest.approx(naive)


def test_bad_input_is_refused():
    with pytest.raises(Refused, match=r"a graph of 2 budgets needs shape \(layers, 2, 2\)"):
        flip_edges(graph(), jnp.ones(2), KEY)
    with pytest.raises(Refused, match="must hold 0 and 1 alone; make layers of weights"):
        flip_edges(2 * graph(), BUDGETS, KEY)
    with pytest.raises(Refused, match="must be symmetric"):
        flip_edges(jnp.triu(graph()), BUDGETS, KEY)
    with pytest.raises(Refused, match="budgets must be numbers of at least 0"):
        edge_epsilon(jnp.array([1.0, -1.0]))
    with pytest.raises(Refused, match="method 'tensors' is unknown; did you mean 'tensor'"):
        communities(graph(), 2, KEY, "tensors")
    with pytest.raises(Refused, match="8 nodes cannot have 9 communities"):
        communities(graph(), 9, KEY)
    with pytest.raises(Refused, match=r"probabilities between 0 and 1, got 2 to 2"):
        block_model(jnp.zeros(2, int), jnp.ones(2), jnp.full((1, 1, 1), 2.0), KEY)
    with pytest.raises(Refused, match=r"\(2,\) labels and \(3,\) degrees disagree"):
        block_model(jnp.zeros(2, int), jnp.ones(3), jnp.ones((1, 1, 1)), KEY)
    with pytest.raises(Refused, match=r"\(2,\) labels cannot be compared with \(3,\)"):
        misclassification(jnp.zeros(2, int), jnp.zeros(3, int))
    with pytest.raises(
        Refused, match=r"a graph needs shape \(layers, nodes, nodes\), got \(8, 8\)"
    ):
        communities(graph()[0], 2, KEY)
    with pytest.raises(Refused, match=r"connectivity needs shape \(layers, communities, communi"):
        block_model(jnp.zeros(2, int), jnp.ones(2), jnp.ones((1, 1)), KEY)
    with pytest.raises(Refused, match=r"labels must be at least 0 and below 2, .* got 0 to 5"):
        block_model(jnp.array([0, 5]), jnp.ones(2), jnp.ones((1, 2, 2)) / 2, KEY)
    with pytest.raises(Refused, match=r"probabilities between 0 and 1, got nan to nan"):
        block_model(jnp.zeros(2, int), jnp.ones(2), jnp.full((1, 1, 1), jnp.nan), KEY)
    with pytest.raises(Refused, match="labels must be at least 0, got -1 to 0"):
        misclassification(jnp.array([-1, 0]), jnp.zeros(2, int))
    with pytest.raises(Refused, match="at least one node"):
        misclassification(jnp.zeros(0, int), jnp.zeros(0, int))


def test_large_budgets_are_finite_and_kept_and_small_ones_are_not_zero():
    budgets = np.array([1e-4, 0.01, 1.0, 16.0, 20.0, 40.0, 80.0])
    lost = 2 / (1 + np.exp(budgets))
    lost = lost[:, None] + lost - lost[:, None] * lost
    expected = np.where(
        lost > 0.5,
        2 * np.arctanh(np.minimum(np.tanh(budgets / 2)[:, None] * np.tanh(budgets / 2), 0.9)),
        np.log((2 - lost) / lost),
    )
    found = edge_epsilon(jnp.asarray(budgets, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Half of these bits are flipped less often than float32 can tell from never.
    bits = jnp.zeros((2_000, 100, 100))
    flips = flip_edges(bits, jnp.full(100, 20.0), KEY)
    assert flips.sum() > 0
