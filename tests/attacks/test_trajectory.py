"""Attacks along a training: signals at intermediate stops, and their order."""

import fleets
import jax
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from pptp_jax.attacks import ATTACKS, Evidence
from pptp_jax.attacks.recurrent import Recurrent
from pptp_jax.data import Balanced
from pptp_jax.metrics import auc, roc

MEMBERSHIP = Balanced(6).draw(600, 0).matrix

pytestmark = pytest.mark.usefixtures("compile_in_haste")


def area(scores: np.ndarray, membership: np.ndarray = MEMBERSHIP) -> float:
    return auc(roc(scores, membership))


@pytest.mark.parametrize("signal", ["trajectory", "distilled_trajectory"])
def test_what_shows_only_on_the_way_is_found(signal: str) -> None:
    """The last stop says nothing, the first all there is to know: AUC Φ(gap / √2)."""
    rng = np.random.default_rng(1)
    phi = rng.normal(size=(6, 3, 1, 600))
    phi[:, 0, 0] += 1.5 * MEMBERSHIP
    held = Evidence.leave_one_out({signal: phi, "confidence": phi[:, -1]}, MEMBERSHIP)
    assert abs(area(ATTACKS["loss"](held)) - 0.5) < 0.05
    assert area(ATTACKS[signal](held, steps=300)) > norm.cdf(1.5 / np.sqrt(2)) - 0.03


@pytest.mark.parametrize("name", ["lira_trajectory", "lira_distilled"])
def test_lira_along_stops_uses_what_each_of_them_adds(name: str) -> None:
    """Examples of levels far apart, and independent stops: AUC Φ(√(Σ gap²) / √2)."""
    rng = np.random.default_rng(2)
    membership = Balanced(64).draw(500, 0).matrix
    gap = np.array([1.2, 0.9])[:, None, None]
    phi = 5 * rng.normal(size=(1, 2, 1, 500)) + rng.normal(size=(64, 2, 1, 500))
    phi = np.float32(phi + gap * membership[:, None, None])
    targets = list(range(0, 64, 8))
    signal = "trajectory" if name == "lira_trajectory" else "distilled_trajectory"
    signals = {signal: phi, "confidence": phi[:, -1]}
    held = Evidence.leave_one_out(signals, membership, targets=targets)
    last, along = (
        area(ATTACKS[attack](held, variance="global"), membership[targets])
        for attack in ("lira_online", name)
    )
    assert norm.cdf(1.5 / np.sqrt(2)) - 0.03 < along < norm.cdf(1.5 / np.sqrt(2)) + 0.01
    assert along > last + 0.08


def test_the_order_of_a_sequence_shows_membership() -> None:
    """A pulse that comes late in members and early in others; one stop alone shows half of it."""
    rng = np.random.default_rng(3)
    seen = 0.3 * rng.normal(size=(6, 4, 1, 600, 5))
    late = rng.integers(2, size=(6, 600))
    models, examples = np.indices((6, 600))
    place = np.where(MEMBERSHIP, 2, 0) + late
    seen[models, place, 0, examples, 0] += 3
    held = Evidence.leave_one_out({"metric_trajectory": seen}, MEMBERSHIP)
    assert area(ATTACKS["metric_sequence"](held, steps=300)) > 0.99
    assert area(seen.sum(axis=(1, 2))[..., 0]) < 0.55
    assert area(seen[:, 3, 0, :, 0]) < 0.8


def test_the_recurrent_network_is_its_naive_twin() -> None:
    network, rng = Recurrent(3, 2), np.random.default_rng(4)
    features = rng.normal(size=(5, 6, 4)).astype(np.float32)
    (kernel, bias), (head, shift) = params = network.begin(jax.random.key(1), (6, 4))
    assert np.asarray(bias).tolist() == [0] * 3 + [1] * 3 + [0] * 6
    found = np.asarray(network.outputs(params, features))
    for sequence, answer in zip(features, found, strict=True):
        state, cell, states = np.zeros(3), np.zeros(3), []
        for now in sequence:
            gates = np.concatenate([now, state]) @ np.asarray(kernel) + np.asarray(bias)
            cell = expit(gates[3:6]) * cell + expit(gates[:3]) * np.tanh(gates[9:])
            state = expit(gates[6:9]) * np.tanh(cell)
            states.append(state)
        likeness = np.exp([own @ state for own in states])
        context = likeness @ np.array(states) / likeness.sum()
        twin = np.concatenate([state, context]) @ np.asarray(head) + np.asarray(shift)
        np.testing.assert_allclose(answer, twin, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["trajectory", "distilled_trajectory", "metric_sequence"])
@pytest.mark.parametrize("value", [-1e4, 1e30, np.inf])
def test_one_gross_outlier_along_the_way_spoils_its_own_example_alone(name, value) -> None:
    made = fleets.fleet(16, 300, gap=2.0)
    signal = ATTACKS[name].reads[0]
    spoilt = made.signals()[signal].copy()
    spoilt[3, 0, 0, 7] = value
    aucs = []
    for array in (made.signals()[signal], spoilt):
        held = made.held(signals={signal: array}, targets=[0, 5, 9])
        scores = np.delete(ATTACKS[name](held, steps=60), 7, axis=1)
        aucs.append(area(scores, np.delete(made.membership[[0, 5, 9]], 7, axis=1)))
    assert abs(aucs[1] - aucs[0]) < 0.03


def test_without_stops_the_attack_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="'trajectory', which takes two stops on the way at least"):
        ATTACKS["trajectory"](
            Evidence.leave_one_out({"confidence": np.zeros((6, 600))}, MEMBERSHIP)
        )


def test_one_threshold_of_oslo_is_yes_or_no() -> None:
    made = fleets.fleet(6, 60)
    scores = ATTACKS["oslo"](made.held(), threshold=1)
    np.testing.assert_array_equal(scores, made.signals()["transferred_correct"][:, 1])
    with pytest.raises(ValueError, match=r"threshold must be from 0 to 2, .* got 3"):
        ATTACKS["oslo"](made.held(), threshold=3)
