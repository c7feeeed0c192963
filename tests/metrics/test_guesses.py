"""Guesses beside a control: twins in plain loops, intervals that cover, and what is refused."""

import numpy as np
import pytest

from pptp_jax.metrics import compare_guesses, right_share
from pptp_jax.validation import Refused


def test_equal_scores_are_guessed_with_equal_chances():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 3, size=(2, 30, 4)).astype(float)
    truth = rng.integers(0, 4, 30)
    found = right_share(scores, np.broadcast_to(np.eye(4)[truth], scores.shape))
    for model in range(2):
        for record in range(30):
            own = scores[model, record].tolist()
            best = [value for value in range(4) if own[value] == max(own)]
            expected = 1 / len(best) if truth[record] in best else 0.0
            assert found[model, record] == pytest.approx(expected)


def test_shares_and_differences_are_those_of_loops():
    rng = np.random.default_rng(1)
    membership = rng.random((3, 90)) < 0.5
    right = (rng.random((3, 90)) < 0.6).astype(float)
    control = np.where(rng.random((3, 90)) < 0.1, np.nan, rng.random((3, 90)))
    found = compare_guesses(right, control, membership, resamples=20)
    differences = []
    for side, guesses in ((True, found.members), (False, found.nonmembers)):
        attack, beside = [], []
        for target in range(3):
            for record in range(90):
                if membership[target, record] == side and not np.isnan(control[target, record]):
                    attack.append(right[target, record])
                    beside.append(control[target, record])
        differences.append(sum(attack) / len(attack) - sum(beside) / len(beside))
        assert guesses.attack.value == pytest.approx(sum(attack) / len(attack))
        assert guesses.control.value == pytest.approx(sum(beside) / len(beside))
        assert guesses.difference.value == pytest.approx(differences[-1])
    assert found.excess.value == pytest.approx(differences[0] - differences[1])
    again = found.to_json()
    assert again["members"]["attack"]["value"] == found.members.attack.value
    assert again["excess"]["low"] == found.excess.low


def test_a_difference_of_records_by_chance_is_covered_and_paired():
    """Attack and control are right on mostly the same records: unpaired, 0 is hardly excluded."""
    covered, widths = [], []
    membership = (np.arange(200) < 100)[None]
    for draw in range(50):
        rng = np.random.default_rng(draw)
        easy = rng.random((1, 200)) < 0.5
        right, control = (np.where(rng.random((1, 200)) < 0.1, ~easy, easy) for _ in range(2))
        found = compare_guesses(
            right.astype(float), control.astype(float), membership, resamples=200
        )
        for estimate in (found.members.difference, found.excess):
            covered.append(estimate.low <= 0 <= estimate.high)
        difference, attack = found.members.difference, found.members.attack
        widths.append((difference.high - difference.low) / (attack.high - attack.low))
    assert np.mean(covered) > 0.9
    assert np.mean(widths) < 1.0  # 1.4 without pairing


def test_a_share_of_1_has_an_interval():
    membership = (np.arange(60) < 30)[None]
    found = compare_guesses(np.ones((1, 60)), np.zeros((1, 60)), membership)
    assert found.members.attack.value == 1 and found.members.attack.low < 0.9


@pytest.mark.parametrize(
    ("members", "control", "message"),
    [
        (19, np.zeros((1, 100)), "at least 20 members that the control can guess for, got 19"),
        (81, np.zeros((1, 100)), "at least 20 non-members .* got 19"),
        (50, np.full((1, 100), np.nan), "at least 20 members .* got 0"),
        (50, np.zeros((2, 100)), r"must have shape \(1, 100\)"),
    ],
)
def test_too_few_and_misfits_are_refused(members, control, message):
    membership = (np.arange(100) < members)[None]
    with pytest.raises(Refused, match=message):
        compare_guesses(np.ones((1, 100)), control, membership)
