"""Copies of members among non-members: exact ones, near ones, and none by chance."""

import sys

import numpy as np
import pytest

from pptp_jax.data import shared_records
from pptp_jax.validation import Refused


def test_copies_are_counted_as_by_hand():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(120, 6, 6, 1), dtype=np.uint8)
    membership = np.arange(120) < 70
    images[80], images[81], images[90] = images[3], images[3], images[91]
    images[100] = images[4]
    images[100, 0, 0] ^= 1
    found = shared_records(images, membership)
    naive = sum(
        any(np.array_equal(images[i], images[j]) for j in range(70)) for i in range(70, 120)
    )
    assert (found.nonmembers, found.exact, found.near) == (50, naive, 1) and naive == 2
    assert found.in_words().startswith("2 of 50 non-members are equal to a member, and 1 nearly is")
    assert "leave the copies out" in found.in_words()


def test_independent_records_are_no_copies():
    rng = np.random.default_rng(1)
    for x in (rng.normal(size=(300, 8)), rng.normal(size=(300, 5, 5, 3)).astype(np.float32)):
        found = shared_records(x, rng.random(300) < 0.5)
        assert (found.exact, found.near) == (0, 0)
        assert "none of" in found.in_words() and "leave the copies out" not in found.in_words()


def test_the_unit_of_a_column_changes_nothing():
    rng = np.random.default_rng(2)
    x, membership = rng.normal(size=(200, 9)), np.arange(200) < 100
    x[150] = x[20] + 0.01
    units = 10.0 ** np.arange(-4, 5)
    assert shared_records(x, membership).near == shared_records(x * units, membership).near == 1


def test_texts_are_compared_by_their_shingles():
    rng = np.random.default_rng(3)
    texts = rng.integers(0, 90, size=(60, 40))
    membership = np.arange(60) < 30
    texts[40], texts[41] = texts[1], texts[2]
    texts[41, 39] = 91
    found = shared_records(texts, membership, tokens=True)
    assert (found.exact, found.near) == (1, 1) and "Jaccard" in found.in_words()


def test_what_is_not_compared_says_why(monkeypatch):
    membership = np.arange(40) < 20
    few = shared_records(np.random.default_rng(0).normal(size=(40, 3)), membership)
    assert few.near is None and "fewer than 8" in few.in_words()
    module = sys.modules["pptp_jax.data.shared_records"]  # the package has the function's name
    monkeypatch.setattr(module, "_MOST_PRODUCTS", 10)
    monkeypatch.setattr(module, "_MOST_TOKENS", 10)
    x = np.arange(360).reshape(40, 9)
    x[30] = x[2]
    for tokens in (False, True):
        found = shared_records(x, membership, tokens=tokens)
        assert found.near is None and found.exact == 1 and "not looked for" in found.in_words()


@pytest.mark.parametrize(
    ("membership", "message"),
    [
        (np.ones(9, bool), r"membership must be boolean of shape \(10,\), one for each input"),
        (np.ones(10), "membership must be boolean"),
        (np.ones(10, bool), "there must be members and non-members"),
    ],
)
def test_what_cannot_be_compared(membership, message):
    with pytest.raises(Refused, match=message):
        shared_records(np.zeros((10, 9)), membership)
