"""Stability: identities by enumeration, bounds against real descent and integrated densities."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from pptp_jax.privacy import (
    noisy_score_advantage,
    replace_one_advantage,
    replace_one_divergence,
)
from pptp_jax.validation import Refused


def test_pairs_have_the_advantage_of_the_attacker_by_enumeration():
    """A learner of n fair coins predicts their share; all sets and all replacements count alike."""
    n, most = 3, 2.0

    def loss(coins, z):
        return (sum(coins) / n - z) ** 2 * most

    learned, other, says_of_members, says_of_others = [], [], [], []
    for coins in product((0, 1), repeat=n):
        for place, instead in product(range(n), (0, 1)):
            replaced = (*coins[:place], instead, *coins[place + 1 :])
            learned.append(loss(coins, coins[place]))
            other.append(loss(replaced, coins[place]))
            says_of_members.append(1 - loss(coins, coins[place]) / most)
            says_of_others.append(1 - loss(coins, instead) / most)  # a fresh coin is no member
    found = replace_one_advantage(np.array(learned), np.array(other), most=most)
    assert found.value == pytest.approx(np.mean(says_of_members) - np.mean(says_of_others))
    assert found.value == pytest.approx(1 / (2 * n))  # 2 Cov(share, coin)


def test_the_interval_is_two_standard_errors():
    rng = np.random.default_rng(0)
    learned, other = rng.uniform(size=(2, 50))
    found = replace_one_advantage(learned, other)
    error = 2 * np.std(other - learned, ddof=1) / np.sqrt(50)
    assert found.high - found.value == pytest.approx(error)
    assert found.value - found.low == pytest.approx(error)
    assert replace_one_advantage(learned[:1], other[:1]).low is None


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-2, 2), st.floats(-3, 3)), min_size=1, max_size=5),
    st.floats(0.2, 2),
)
def test_no_attacker_of_a_noisy_score_has_more(pairs, noise):
    """The total variation of two mixtures, by a sum over a fine grid."""
    scores, changes = np.array(pairs).T
    grid = np.linspace(-20, 20, 8001)
    without = norm.pdf(grid, scores[:, None], noise).mean(axis=0)
    learned = norm.pdf(grid, (scores + changes)[:, None], noise).mean(axis=0)
    best = np.abs(learned - without).sum() * (grid[1] - grid[0]) / 2
    bound = noisy_score_advantage(changes, noise).value
    assert best <= bound + 1e-5
    if len(pairs) == 1:
        assert best == pytest.approx(bound, abs=1e-4)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.floats(0.1, 3))
def test_more_noise_leaves_less(changes, noise):
    given_changes = np.array(changes)
    found = noisy_score_advantage(given_changes, noise).value
    assert 0 <= noisy_score_advantage(given_changes, 2 * noise).value <= found <= 1
    # Of several numbers the distance counts: a rotation changes nothing.
    turned = given_changes[:, None] * np.array([0.6, 0.8])
    assert noisy_score_advantage(turned, noise).value == pytest.approx(found)


def descended(field, terms, *, step_size, steps):
    """The weights after each step of g(θ) = A θ + the mean of the examples' terms, from 0."""
    weights = [np.zeros(len(field))]
    for _ in range(steps):
        weights.append(weights[-1] - step_size * (field @ weights[-1] + terms.mean(axis=0)))
    return np.array(weights)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_no_game_of_quadratics_moves_farther(seed, sizes):
    rng = np.random.default_rng(seed)
    total, examples, how = sum(sizes), 5, {"step_size": 0.1, "steps": 30}
    ends = np.cumsum([0, *sizes])
    players = [slice(*ends[i : i + 2]) for i in range(len(sizes))]
    field, terms = rng.normal(size=(total, total)), rng.normal(size=(examples, total))
    terms[:, players[-1]] *= len(players) == 1  # the last of several players sees no example
    other = terms.copy()
    other[2, : players[-1].start or None] = rng.normal(size=players[-1].start or total)
    smoothness = np.array([[np.linalg.norm(field[j, k], 2) for k in players] for j in players])
    differences = np.array([np.linalg.norm((terms - other)[2, j]) for j in players])
    bound = replace_one_divergence(smoothness, differences, examples, **how)
    apart = descended(field, terms, **how) - descended(field, other, **how)
    found = np.stack([np.linalg.norm(apart[:, j], axis=1) for j in players], axis=1)
    assert (found <= bound + 1e-12).all()


@pytest.mark.parametrize("field", [[[0.8]], [[0.5, 0.3], [1.2, 0.1]], [[0.0, 0.0], [2.0, 0.0]]])
def test_games_without_contraction_move_as_far(field):
    matrix, how = np.array(field), {"step_size": 0.05, "steps": 40}
    terms = np.zeros((10, len(matrix)))
    other = terms.copy()
    other[3, 0] = 1.5
    differences = np.array([1.5, *[0.0] * (len(matrix) - 1)])
    apart = descended(-matrix, terms, **how) - descended(-matrix, other, **how)
    bound = replace_one_divergence(matrix, differences, 10, **how)
    np.testing.assert_allclose(bound, np.abs(apart), rtol=1e-12)


def test_a_generator_starts_in_the_square_of_time():
    eta, of_generator, difference, n, steps = 0.1, 3.0, 2.0, 50, 20
    matrix = np.array([[0.0, 0.0], [of_generator, 0.0]])
    bound = replace_one_divergence(
        matrix, np.array([difference, 0.0]), n, step_size=eta, steps=steps
    )
    t = np.arange(steps + 1)
    np.testing.assert_allclose(bound[:, 0], eta * t * difference / n)
    square = eta**2 * t * (t - 1) / 2 * of_generator * difference / n
    np.testing.assert_allclose(bound[:, 1], square, atol=1e-15)


def test_later_both_players_grow_alike():
    matrix = np.array([[1.0, 0.5], [2.0, 0.2]])
    bound = replace_one_divergence(matrix, np.array([1.0, 0.0]), 10, step_size=0.1, steps=400)
    values, vectors = np.linalg.eig(matrix)
    leading = np.abs(vectors[:, np.argmax(values.real)])
    np.testing.assert_allclose(bound[-1, 1] / bound[-1, 0], leading[1] / leading[0], rtol=1e-6)
    np.testing.assert_allclose(bound[-1] / bound[-2], 1 + 0.1 * values.real.max(), rtol=1e-6)


def test_the_bound_holds_for_random_batches_in_the_mean():
    """Batches of 2 of 8 examples, of which one is replaced; equality, as nothing contracts."""
    n, size, eta, steps, runs, beta = 8, 2, 0.1, 12, 20_000, 0.7
    rng = np.random.default_rng(0)
    joins = rng.uniform(size=(runs, steps, n)).argsort(axis=2)[:, :, :size] == 0
    apart = np.zeros(runs)
    for step in range(steps):
        apart = (1 + eta * beta) * apart + eta * joins[:, step].any(axis=1) / size
    how = {"step_size": eta, "steps": steps}
    bound = replace_one_divergence(np.array([[beta]]), np.ones(1), n, **how)[-1, 0]
    assert apart.mean() == pytest.approx(bound, abs=5 * apart.std() / runs**0.5)


PLAYERS = (np.eye(2), np.ones(2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: replace_one_advantage(np.ones(2), np.ones(3)), r"one number a pair.*\(2,\) and"),
        (lambda: replace_one_advantage(np.ones(0), np.ones(0)), "one number a pair"),
        (lambda: replace_one_advantage(np.ones(2), 2 * np.ones(2)), "between 0 and most=1: cut"),
        (lambda: replace_one_advantage(np.ones(2), np.full(2, np.nan)), "between 0 and most=1"),
        (lambda: replace_one_advantage(np.ones(2), np.ones(2), most=0.0), "most must be"),
        (lambda: noisy_score_advantage(np.ones(0), 1.0), "at least one pair.*shape \\(0,\\)"),
        (lambda: noisy_score_advantage(np.array([np.inf]), 1.0), "finite numbers"),
        (lambda: noisy_score_advantage(np.ones(2), 0.0), "noise must be a finite number above 0"),
        (
            lambda: replace_one_divergence(np.eye(3), np.ones(2), 9, step_size=0.1, steps=1),
            r"shape \(players, players\), got \(2,\) and \(3, 3\)",
        ),
        (
            lambda: replace_one_divergence(-np.eye(2), np.ones(2), 9, step_size=0.1, steps=1),
            "finite and at least 0",
        ),
        (
            lambda: replace_one_divergence(*PLAYERS, 0, step_size=0.1, steps=1),
            "examples must be an integer of at least 1",
        ),
        (
            lambda: replace_one_divergence(*PLAYERS, 9, step_size=0.1, steps=-1),
            "steps must be an integer of at least 0",
        ),
        (
            lambda: replace_one_divergence(*PLAYERS, 9, step_size=0.0, steps=1),
            "step_size must be a finite number above 0",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(Refused, match=message):
        call()
