"""The utility of samples: real ones are as good as real data, copies and collapse are found."""

import numpy as np
import pytest

from pptp_jax.data import Digits
from pptp_jax.evaluation import SampleJudge
from pptp_jax.models import mlp

DIGITS = Digits().load()
REFERENCE, MEMBERS, OTHERS, FRESH = (
    np.arange(*ends) for ends in ((0, 300), (300, 700), (700, 1100), (1100, 1500))
)


@pytest.fixture(scope="module")
def judge() -> SampleJudge:
    return SampleJudge.of(DIGITS, REFERENCE, mlp([32], 10), epochs=15)


def judged(judge: SampleJudge, samples: np.ndarray, labels: np.ndarray):
    return judge.judged(samples, labels, MEMBERS, OTHERS)


def test_fresh_examples_as_samples_are_as_good_as_real_ones(judge: SampleJudge) -> None:
    found = judged(judge, DIGITS.inputs()[FRESH], DIGITS.y[FRESH])
    assert found.accuracy > 0.85
    assert found.precision > 0.7 and found.recall > 0.7
    assert found.to_members == pytest.approx(found.to_nonmembers, rel=0.1)
    assert 0.4 < found.nearer_members < 0.6 and not found.copying


def test_copies_of_members_are_found(judge: SampleJudge) -> None:
    found = judged(judge, DIGITS.inputs()[MEMBERS], DIGITS.y[MEMBERS])
    assert found.copying and found.nearer_members == 1 and found.to_members == 0
    # By accuracy alone they are as good as any.
    assert found.accuracy > 0.85


def test_copies_of_nonmembers_are_no_copies_of_members(judge: SampleJudge) -> None:
    found = judged(judge, DIGITS.inputs()[OTHERS], DIGITS.y[OTHERS])
    assert found.nearer_members == 0 and found.to_nonmembers == 0


def test_a_collapsed_generator_has_no_recall(judge: SampleJudge) -> None:
    one = np.repeat(DIGITS.inputs()[FRESH[:1]], 400, axis=0)
    found = judged(judge, one, np.arange(400) % 10)
    assert found.recall < 0.02 and found.accuracy < 0.3


def test_noise_is_far_from_everything(judge: SampleJudge) -> None:
    noise = np.random.default_rng(0).uniform(size=(400, 64)).astype(np.float32)
    found = judged(judge, noise, np.arange(400) % 10)
    assert found.precision < 0.1 and found.to_members > 0.3


def test_the_models_of_a_fleet_are_judged_alone(judge: SampleJudge) -> None:
    membership = np.zeros((2, len(DIGITS)), bool)
    membership[0, MEMBERS], membership[1, OTHERS] = True, True
    rows = np.array([np.flatnonzero(DIGITS.y[MEMBERS] == i % 10)[i // 10] for i in range(100)])
    copies = DIGITS.inputs()[MEMBERS[rows]].reshape(1, 100, 64)
    first, second = judge.fleet(
        np.repeat(copies, 2, axis=0), np.arange(100) % 10, membership, REFERENCE
    )
    assert first.nearer_members == 1 and second.nearer_members < 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda judge: judged(judge, np.zeros((40, 64)), np.zeros(3, int)),
            "there are 40 samples, but 3 labels",
        ),
        (
            lambda _: SampleJudge.of(DIGITS, REFERENCE[:5], mlp([32], 10)),
            "too few for one batch of 32",
        ),
        (lambda _: SampleJudge.of(DIGITS, REFERENCE, mlp([32], 10), epochs=0), "epochs must be"),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str, judge: SampleJudge) -> None:
    with pytest.raises(ValueError, match=message):
        call(judge)
