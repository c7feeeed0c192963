"""A classifier without a model: chance on exchangeable data, and every kind of shift found."""

import numpy as np
import pytest
from scipy.stats import norm

from pptp_jax.data import BlindBaseline, blind_baseline
from pptp_jax.metrics import Estimate
from pptp_jax.validation import Refused


def coins(rng, examples):
    return rng.permutation(examples) < examples // 2


def test_exchangeable_data_are_at_chance_as_often_as_is_claimed():
    """Over 200 draws: an interval that ignores the shared training data would fail by far."""
    found, naive = [], 0
    for draw in range(200):
        rng = np.random.default_rng(draw)
        membership, y = coins(rng, 80), rng.normal(size=(80, 20))
        one = blind_baseline(None, y, membership, seed=draw)
        found.append((one.auc.value, one.auc.low, one.auc.high, one.p_value))
        fixed = np.sqrt(81 / (12 * 40 * 40))
        naive += abs(one.auc.value - 0.5) / fixed > 1.96
    value, low, high, p_value = np.array(found).T
    assert abs(value.mean() - 0.5) < 0.02  # its deviation is .0064
    assert ((low > 0.5) | (high < 0.5)).mean() < 0.10
    assert (p_value < 0.05).mean() < 0.10 and (p_value < 0.01).sum() <= 6
    assert naive > 20  # nominally 10 of 200


def test_inputs_labels_and_tokens_by_chance_are_at_chance():
    rng = np.random.default_rng(6)
    membership = coins(rng, 400)
    x, y = rng.normal(size=(400, 6)), rng.integers(0, 4, 400)
    texts = rng.integers(0, 50, size=(400, 12))
    for one in (
        blind_baseline(x, y, membership),
        blind_baseline(None, y, membership),
        blind_baseline(texts, None, membership, tokens=True),
    ):
        assert one.auc.low < 0.5 < one.auc.high and not one.found()
        assert "do not distinguish members from non-members" in one.in_words()


def test_the_verdict_does_not_contradict_its_p_value():
    """.0042 is below 1 %, but not as the smallest of four."""
    one = BlindBaseline(Estimate(0.58, 0.52, 0.64), 0.0042, 400, ("inputs",))
    assert one.found() and "p = 0.0042)" in one.in_words()
    assert not one.found(4)
    assert "do not distinguish members from non-members significantly" in one.in_words(4)
    assert "p = 0.017 after correction for 4 targets)" in one.in_words(4)
    assert "significant is p < 0.01" in one.in_words(4)


def of_one_column(rng, membership):
    x = rng.normal(size=(len(membership), 12))
    x[:, 7] += 1.2 * membership
    return x, None


def of_one_spread(rng, membership):
    x = rng.normal(size=(len(membership), 5))
    x[:, 2] *= 1 + 2 * membership
    return x, None


def of_two_columns_together(rng, membership):
    x = rng.normal(size=(len(membership), 4))
    x[:, 1] = np.abs(x[:, 1]) * np.sign(x[:, 0]) * np.where(membership, 1, -1)
    return x, rng.integers(0, 3, len(membership))


def of_brightness(rng, membership):
    images = rng.integers(0, 200, size=(len(membership), 8, 8, 3))
    return (images + 12 * membership[:, None, None, None]).astype(np.uint8), None


def of_labels(rng, membership):
    y = np.where(rng.random(len(membership)) < 0.4, membership * 1, rng.integers(0, 4, 300))
    return rng.normal(size=(len(membership), 6)), y


def of_labels_alone(rng, membership):
    return None, of_labels(rng, membership)[1]


@pytest.mark.parametrize(
    "shift",
    [
        *(of_one_column, of_one_spread, of_two_columns_together),
        *(of_brightness, of_labels, of_labels_alone),
    ],
)
def test_a_shift_is_found(shift):
    rng = np.random.default_rng(1)
    membership = coins(rng, 300)
    x, y = shift(rng, membership)
    found = blind_baseline(x, y, membership)
    assert found.auc.low > 0.5 and found.found() and found.examples == 300
    assert "Every attack's number is suspect" in found.in_words()
    assert found.reads == tuple(n for n, part in (("inputs", x), ("labels", y)) if part is not None)


def test_words_of_one_time_are_found_in_a_bag_of_tokens():
    rng = np.random.default_rng(2)
    membership = coins(rng, 200)
    texts = rng.integers(0, 300, size=(200, 20))
    texts[:, 15:] = -1
    new = membership & (rng.random(200) < 0.5)
    texts[new, rng.integers(0, 15, new.sum())] = 300
    found = blind_baseline(texts, None, membership, tokens=True)
    assert found.found() and found.auc.low > 0.5
    # As numbers the same texts say much less: where the word is, differs.
    assert blind_baseline(texts, None, membership).auc.value < found.auc.value


def test_padding_is_no_token():
    rng = np.random.default_rng(3)
    membership = coins(rng, 100)
    empty = np.full((100, 4), -1)
    assert blind_baseline(empty, None, membership, tokens=True).auc.value == 0.5


def test_labels_of_two_classes_by_hand():
    """A class is ranked by its share of members among the other folds; equal labels are ties."""
    rng = np.random.default_rng(4)
    membership = coins(rng, 90)
    y = np.where(rng.random(90) < 0.75, membership, ~membership).astype(int)
    found = blind_baseline(None, y, membership, folds=3, seed=7)
    again = np.random.default_rng(7)
    fold = np.empty(90, int)
    for side in (membership, ~membership):
        fold[side] = again.permutation(side.sum()) % 3
    ranks = np.empty(90)
    for test in range(3):
        rest = fold != test
        share = [membership[rest & (y == label)].mean() for label in (0, 1)]
        own = np.array(share)[y[fold == test]]
        ranks[fold == test] = [((own < s).sum() + (own == s).sum() / 2) / len(own) for s in own]
    pairs = ranks[membership][:, None] - ranks[~membership]
    auc = (pairs > 0).mean() + (pairs == 0).mean() / 2
    assert found.auc.value == pytest.approx(auc)
    error = np.sqrt(2 * 91 / (12 * 45 * 45))
    assert found.p_value == pytest.approx(norm.sf((auc - 0.5) / error))


def test_several_targets_share_the_level():
    rng = np.random.default_rng(0)
    found = blind_baseline(None, rng.normal(size=60), coins(rng, 60))._replace(p_value=0.004)
    assert found.found() and not found.found(judged=4)


def test_what_never_varies_and_what_is_huge_are_taken():
    rng = np.random.default_rng(0)
    membership = coins(rng, 60)
    assert blind_baseline(np.ones((60, 3)), None, membership).auc.value == 0.5
    huge = 1e300 * (1 + membership[:, None] + np.zeros((1, 9)))
    assert blind_baseline(huge, None, membership).auc.value == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": None, "y": None}, "needs inputs, labels, or both, and there are neither"),
        ({"x": np.zeros((39, 2))}, "x must be numbers, one row for each of 40 examples"),
        ({"y": np.array(["a"] * 40)}, "y must be numbers, one row for each of 40 examples"),
        ({"x": np.full((40, 2), np.nan)}, "x must be finite"),
        ({"membership": np.ones((2, 40), bool)}, r"boolean of shape \(examples,\), of one model"),
        ({"membership": np.ones(40)}, "membership must be boolean"),
        ({"membership": np.arange(40) < 19}, "at least 20 members and 20 non-members, got 19 and"),
        ({"folds": 1}, "folds must be an integer of at least 2, got 1"),
        ({"folds": 21}, "folds must be at most the members and the non-members, got 21"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"tokens": True}, r"tokens must be integers of shape \(records, tokens\), got float"),
        ({"tokens": True, "x": None}, r"tokens must be integers of .*, got none"),
    ],
)
def test_what_cannot_be_judged(change, message):
    given = {"x": np.zeros((40, 2)), "y": np.zeros(40, int), "membership": np.arange(40) < 20}
    with pytest.raises(Refused, match=message):
        blind_baseline(**(given | change))
