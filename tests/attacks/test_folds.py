"""Attacks that learn from shadows: the networks, and the shadows of each fold."""

from dataclasses import replace

import fleets
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.attacks.folds import folds_of
from pptp_jax.attacks.membership_network import _weights
from pptp_jax.attacks.perceptron import initial_layers, outputs
from pptp_jax.attacks.quantile import LEVELS, _place
from pptp_jax.data import Balanced
from pptp_jax.metrics import auc, roc
from pptp_jax.models import mlp

MADE = fleets.fleet(6, 600, gap=2.0, seed=2)


def area(scores: np.ndarray, membership: np.ndarray) -> float:
    return auc(roc(scores, membership))


@pytest.mark.parametrize("folds", [1, 2, 4, 99])
def test_no_network_learns_from_a_target_that_it_serves(folds: int) -> None:
    held = MADE.held(targets=[0, 2, 5, 1], shadows=[5, 0, 3, 4])
    dealt = folds_of(held, folds)
    of_target = np.asarray(dealt.of_target).tolist()
    assert len(dealt.teachers) == min(folds, 2)
    for fold, place in zip(of_target, held.target_among_shadows, strict=True):
        assert place < 0 or not dealt.teachers[fold, place]
    served = [
        fold for fold, place in zip(of_target, held.target_among_shadows, strict=True) if place >= 0
    ]
    for fold in set(served):
        assert dealt.teachers[fold].sum() == 4 - served.count(fold)


def test_a_shadow_network_comes_close_to_the_best_attack() -> None:
    rng = np.random.default_rng(1)
    membership = Balanced(6).draw(600, 0).matrix
    made = fleets.fleet(6, 600, membership=membership)
    made = made.with_phi(rng.normal(size=(6, 1, 600)) + 1.5 * membership[:, None])
    for order in ("sorted", "raw"):
        scores = ATTACKS["shadow_network"](made.held(), order=order, steps=300)
        assert area(scores, membership) > norm.cdf(1.5 / np.sqrt(2)) - 0.03


def test_members_and_nonmembers_of_a_class_weigh_alike() -> None:
    rng = np.random.default_rng(0)
    members, labels = rng.random((5, 40)) < 0.3, rng.integers(4, size=40)
    members[:, labels == 2] = True
    teachers = np.array([True, False, True, True, True])
    weights = np.asarray(_weights(*map(jnp.asarray, (members, labels, teachers)), 4))
    for label in range(4):
        chosen = members[teachers][:, labels == label]
        inside, outside = chosen.sum(), (~chosen).sum()
        known = [0, 0] if label == 2 else [chosen.size / 2 / outside, chosen.size / 2 / inside]
        np.testing.assert_allclose(weights[label], known, rtol=1e-6)


def test_augmentation_finds_the_query_that_tells() -> None:
    rng = np.random.default_rng(3)
    membership = Balanced(6).draw(400, 0).matrix
    correct = rng.random((6, 3, 400)) < 0.5
    correct[:, 2] = rng.random((6, 400)) < np.where(membership, 0.9, 0.2)
    held = Evidence.leave_one_out({"correct": correct}, membership)
    scores = ATTACKS["augmentation"](held, steps=300)
    assert area(scores, membership) > area(correct[:, 2].astype(float), membership) - 0.02
    with pytest.raises(ValueError, match="several queries, and there is only one"):
        ATTACKS["augmentation"](Evidence.leave_one_out({"correct": correct[:, :1]}, membership))


@pytest.mark.parametrize("head", ["gaussian", "pinball"])
def test_quantile_regression_learns_what_a_nonmember_is_like(head: str) -> None:
    """Both the level and the spread of φ depend on x; the score is the deviate."""
    rng = np.random.default_rng(4)
    membership = Balanced(6).draw(800, 0).matrix
    inputs = rng.uniform(-1, 1, size=(800, 2))
    spread = np.exp(inputs[:, 1])
    phi = 3 * inputs[:, 0] + spread * (rng.normal(size=(6, 800)) + 1.5 * membership)
    held = Evidence.leave_one_out(
        signals={"confidence": np.float32(phi[:, None])}, membership=membership, inputs=inputs
    )
    scores = ATTACKS["quantile_regression"](held, head=head, steps=600, learning_rate=1e-2)
    ideal = (phi - 3 * inputs[:, 0]) / spread
    assert area(scores, membership) > area(ideal, membership) - 0.03
    assert area(scores, membership) > area(phi, membership) + 0.1
    outside = scores[~membership]
    assert abs(np.median(outside)) < 0.25
    for level in (0.75, 0.9):
        assert abs((outside <= norm.ppf(level)).mean() - level) < 0.06


@pytest.mark.parametrize("head", ["gaussian", "pinball"])
def test_quantile_regression_on_known_nonmembers_needs_no_shadow(head: str) -> None:
    """Targets whose level differs, each of which is judged by its own answers."""
    rng = np.random.default_rng(5)
    inputs = rng.uniform(-1, 1, size=(1600, 2))
    nonmembers = np.arange(1600) < 800
    membership = ~nonmembers & (rng.random((3, 1600)) < 0.5)
    spread, level = np.exp(inputs[:, 1]), np.array([[-2.0], [0.0], [2.0]])
    phi = level + 3 * inputs[:, 0] + spread * (rng.normal(size=(3, 1600)) + 1.5 * membership)
    attacked = np.arange(800, 1600)
    held = Evidence.leave_one_out(
        signals={"confidence": np.float32(phi[:, None])},
        membership=membership,
        inputs=inputs,
        nonmembers=nonmembers,
        examples=attacked,
    )
    attack = ATTACKS["quantile_nonmembers"]
    scores = attack(held, head=head, steps=600, learning_rate=1e-2)
    truth = membership[:, attacked]
    ideal = ((phi - level - 3 * inputs[:, 0]) / spread)[:, attacked]
    assert area(scores, truth) > area(ideal, truth) - 0.03
    for own, member in zip(scores, truth, strict=True):
        assert abs(np.median(own[~member])) < 0.25
        assert abs((own[~member] <= norm.ppf(0.9)).mean() - 0.9) < 0.06
    # Neither the other models nor any membership is looked at.
    blind = replace(held, membership=~held.membership, shadows={})
    again = attack(blind, head=head, steps=600, learning_rate=1e-2)
    np.testing.assert_array_equal(again, scores)


def test_a_place_among_quantiles() -> None:
    quantiles = np.array([[0.0, 1.0, 2.0, 4.0, 5.0, 6.0]])
    deviates = norm.ppf(LEVELS)
    for phi in (0.0, 0.3, 1.0, 3.0, 5.5, 6.0):
        found = _place(jnp.array(quantiles), jnp.array([phi]))
        np.testing.assert_allclose(found, np.interp(phi, quantiles[0], deviates), atol=1e-5)
    below, above = (_place(jnp.array(quantiles), jnp.array([phi]))[0] for phi in (-1.0, 7.0))
    np.testing.assert_allclose(below, 2 * deviates[0] - deviates[1], atol=1e-5)
    np.testing.assert_allclose(above, 2 * deviates[-1] - deviates[-2], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("shadow_network", {"order": "sort"}, "did you mean 'sorted'"),
        ("shadow_network", {"steps": 0}, "steps must be an integer of at least 1"),
        ("quantile_regression", {"head": "gauss"}, "did you mean 'gaussian'"),
        ("quantile_regression", {"folds": 0}, "folds must be an integer of at least 1"),
        ("shadow_network", {"learning_rate": -1.0}, "learning_rate must be a finite number above"),
    ],
)
def test_bad_options(name: str, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ATTACKS[name](MADE.held(), **options)


@pytest.mark.parametrize("hidden", [(5,), (6, 4, 3)])
def test_the_small_networks_are_those_of_the_models(hidden) -> None:
    key, x = jax.random.key(3), jax.random.normal(jax.random.key(0), (4, 7))
    twin = mlp(hidden, num_classes=2, activation="relu")
    variables = twin.init(key, x)
    layers = initial_layers(key, (7, *hidden, 2))
    blocks = [variables.params[block.name] for block in twin.blocks]
    for layer, block in zip(layers, blocks, strict=True):
        np.testing.assert_array_equal(layer.kernel, block["kernel"])
        np.testing.assert_array_equal(layer.bias, block["bias"])
    answers, _ = twin.apply(*variables, x, train=False, key=None)
    np.testing.assert_array_equal(outputs(layers, x), answers)
