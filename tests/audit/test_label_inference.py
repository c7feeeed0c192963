"""Labels guessed from a model: OUT models as the control, and a classifier."""

import numpy as np
import pytest

from pptp_jax.audit import impute, label_inference
from pptp_jax.validation import Refused


def fleet(rng, models=6, examples=120, classes=3, heart=0.0):
    """Logits of models that have memorised the share `heart` of their members' labels."""
    membership = rng.permuted(np.tile(np.arange(models) < models // 2, (examples, 1)), axis=1).T
    labels = rng.integers(0, classes, examples)
    logits = rng.normal(size=(models, examples, classes)) + np.eye(classes)[labels]
    learned = membership & (rng.random(membership.shape) < heart)
    return logits + 20 * learned[..., None] * np.eye(classes)[labels], labels, membership


def test_the_control_is_that_of_loops():
    logits, labels, membership = fleet(np.random.default_rng(0), heart=0.3)
    targets, shadows = [0, 3], [1, 3, 4, 5]
    found = label_inference(
        logits, labels, membership, targets=targets, shadows=shadows, resamples=10
    )
    for side, guesses in ((True, found.members), (False, found.nonmembers)):
        attack, control = [], []
        for target in targets:
            for record in range(120):
                if membership[target, record] != side:
                    continue
                others = [k for k in shadows if k != target and not membership[k, record]]
                if others:
                    right = [logits[k, record].argmax() == labels[record] for k in others]
                    attack.append(logits[target, record].argmax() == labels[record])
                    control.append(np.mean(right))
        assert guesses.attack.value == pytest.approx(np.mean(attack))
        assert guesses.control.value == pytest.approx(np.mean(control))


def test_without_memory_there_is_no_difference_on_either_side():
    inside = []
    for draw in range(25):
        drawn = fleet(np.random.default_rng(draw))
        found = label_inference(*drawn, targets=[0, 1, 2], shadows=[3, 4, 5], resamples=100)
        for guesses in (found.members, found.nonmembers):
            inside.append(guesses.difference.low <= 0 <= guesses.difference.high)
        everyone = label_inference(*drawn, resamples=2)
        assert everyone.nonmembers.difference.value == pytest.approx(0, abs=1e-12)
    assert np.mean(inside) > 0.9


def test_both_controls_find_memorised_labels():
    rng = np.random.default_rng(2)
    logits, labels, membership = fleet(rng, heart=0.5)
    found = label_inference(logits, labels, membership, resamples=100)
    # Half of the members are memorised; of the rest as many are right as of the non-members.
    expected = 0.5 * (1 - found.nonmembers.attack.value)
    assert found.members.difference.low < expected < found.members.difference.high
    assert found.members.difference.low > 0
    logits, labels, membership = fleet(rng, heart=1.0)
    classifier = impute(rng.normal(size=(120, 4)), labels, folds=2)
    single = label_inference(logits[0], labels, membership[0], control=classifier)
    assert single.members.attack.value == 1
    assert single.excess.low > 0


def test_no_control_probabilities_and_misfits_are_refused():
    logits, labels, membership = fleet(np.random.default_rng(3))
    with pytest.raises(Refused, match=r"no other model can be a control.*impute\(x, labels\)"):
        label_inference(logits[0], labels, membership[0])
    chances = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    with pytest.raises(Refused, match="logits are probabilities here"):
        label_inference(chances, labels, membership)
    with pytest.raises(Refused, match=r"control must be finite scores of shape \(120, 3\)"):
        label_inference(logits, labels, membership, control=np.zeros((120, 2)))
    with pytest.raises(Refused, match="membership is transposed"):
        label_inference(logits, labels, membership.T)
    few = np.tile(np.arange(120) < 5, (6, 1))
    with pytest.raises(Refused, match="at least 20 members"):
        label_inference(logits, labels, few)
