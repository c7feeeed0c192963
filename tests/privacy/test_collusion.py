"""What others' budgets do to one example."""

from itertools import combinations

import numpy as np
import pytest

from pptp_jax.privacy import IndividualContract, excess_vulnerability, worst_coalition
from pptp_jax.validation import Refused

DELTA = 1e-5
RUN = {"expected_batch_size": 3, "steps": 30}


def test_nothing_is_in_excess_among_equals():
    found = excess_vulnerability(3, [4.0] * 30, DELTA, **RUN)
    assert found.excess == pytest.approx(0, abs=1e-3)
    assert found.divergence == pytest.approx(0, abs=1e-3)


def test_small_budgets_of_others_expose_and_large_ones_protect():
    exposed = excess_vulnerability(0, [8.0] + [1.0] * 29, DELTA, **RUN)
    protected = excess_vulnerability(0, [8.0] + [32.0] * 29, DELTA, **RUN)
    assert protected.excess < 0 < exposed.excess
    # Each keeps (ε, δ), which does not see the difference.
    assert exposed.own.delta(8.0) <= DELTA and protected.own.delta(8.0) <= DELTA
    for found in (exposed, protected):
        assert abs(found.excess) <= 2 * found.divergence + 1e-6


def test_no_other_coalition_exposes_more():
    budgets = np.array([8.0, 2.0, 4.0, 8.0] + 8 * [2.0])
    run = {"expected_batch_size": 1, "steps": 10}
    found = worst_coalition(0, 0.2, budgets, DELTA, lowest=2.0, **run)
    assert found.members.tolist() == [2, 3]
    for size in (1, 2):
        for members in combinations((2, 3), size):
            lowered = budgets.copy()
            lowered[list(members)] = 2.0
            other = excess_vulnerability(0, lowered, DELTA, **run)
            assert found.after.advantage >= other.advantage


def test_a_coalition_does_not_hide_its_target():
    """Where the target is in every batch already, more noise would only protect it."""
    run = {"expected_batch_size": 2, "steps": 10}
    found = worst_coalition(0, 0.5, [8.0, 2.0, 4.0, 8.0], DELTA, lowest=2.0, **run)
    everyone = excess_vulnerability(0, [8.0, 2.0, 2.0, 2.0], DELTA, **run)
    assert everyone.advantage < found.before.advantage <= found.after.advantage


def test_a_coalition_of_nobody_changes_nothing():
    found = worst_coalition(0, 0.0, [4.0] * 30, DELTA, lowest=1.0, **RUN)
    assert found.members.size == 0
    assert found.after.advantage == found.before.advantage


def test_a_contract_names_who_breaks_it():
    contract = IndividualContract(epsilon=8.0, delta=DELTA, max_divergence=0.03)
    verdict = contract.check([8.0] * 4 + [7.0] * 5 + [1.0] * 20, **RUN)
    assert not verdict.kept and verdict.spent <= DELTA
    assert list(verdict.blame) == [1.0, 7.0]
    assert verdict.blame[1.0] < 0.03 < verdict.found.divergence


def test_the_loosest_contract_is_the_budget_alone():
    contract = IndividualContract(epsilon=8.0, delta=DELTA, max_divergence=0.5)
    assert contract.check([1.0] * 29, **RUN).kept


def test_bad_input_is_refused():
    with pytest.raises(Refused, match="target must be the place of one of the 2 budgets, got 2"):
        excess_vulnerability(2, [1.0, 2.0], DELTA, expected_batch_size=1, steps=3)
    with pytest.raises(Refused, match="share must lie between 0 and 1"):
        worst_coalition(0, 1.5, [1.0, 2.0], DELTA, lowest=1.0, expected_batch_size=1, steps=3)
    with pytest.raises(Refused, match="lowest must be"):
        worst_coalition(0, 0.5, [1.0, 2.0], DELTA, lowest=0.0, expected_batch_size=1, steps=3)
    with pytest.raises(Refused, match="max_divergence must lie between 0 and 1"):
        IndividualContract(epsilon=1.0, delta=DELTA, max_divergence=2.0)
    with pytest.raises(Refused, match=r"got 0\.5"):
        excess_vulnerability(0.5, [1.0, 2.0], DELTA, expected_batch_size=1, steps=3)
    with pytest.raises(Refused, match=r"delta must lie between 0 and 1, both excluded, got 0\.0"):
        IndividualContract(epsilon=1.0, delta=0.0, max_divergence=0.1)
    contract = IndividualContract(epsilon=1.0, delta=DELTA, max_divergence=0.1)
    with pytest.raises(Refused, match=r"others must be one budget an example, got shape \(1, 1\)"):
        contract.check([[1.0]], expected_batch_size=1, steps=3)


def test_a_contract_with_nobody_else_is_kept():
    contract = IndividualContract(epsilon=2.0, delta=DELTA, max_divergence=0.01)
    assert contract.check([], expected_batch_size=1, steps=3).kept
