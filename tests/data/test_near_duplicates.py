"""Near duplicates against every pair, who of them leaks, and a source without them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptp_jax.data import (
    Digits,
    Distinct,
    Membership,
    NearDuplicates,
    Text,
    near_duplicates,
)
from pptp_jax.study.likeness import likeness


def rows_of(texts: list[list[int]], length: int) -> np.ndarray:
    rows = np.full((len(texts), length), -1, np.int32)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = text
    return rows


def naive(texts: list[list[int]], least: float, width: int) -> dict[tuple[int, int], float]:
    """Every pair, by Python's sets."""
    sets = [
        {tuple(text[i : i + width]) for i in range(max(len(text) - width, 0) + 1)} for text in texts
    ]
    found = {
        (i, j): len(sets[i] & sets[j]) / len(sets[i] | sets[j])
        for j in range(len(texts))
        for i in range(j)
    }
    return {pair: alike for pair, alike in found.items() if alike >= least - 1e-12}


TEXTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=12)


@given(TEXTS, st.sampled_from([0.1, 0.5, 2 / 3, 0.8, 1.0]), st.integers(1, 6))
def test_near_duplicates_are_those_of_every_pair(
    texts: list[list[int]], least: float, width: int
) -> None:
    found = near_duplicates(rows_of(texts, 12), least, width)
    pairs = map(tuple, found.pairs.tolist())
    expected = naive(texts, least, width)
    got = dict(zip(pairs, found.similarity.tolist(), strict=True))
    assert list(got) == sorted(expected) and got == pytest.approx(expected)
    out = set(found.later().tolist())
    stay = [i for i in range(len(texts)) if i not in out]
    assert not any(i in stay and j in stay for i, j in expected)
    assert all(any((i, j) in expected for i in stay) for j in out)  # and none without a reason


def test_who_leaks_is_counted_by_target() -> None:
    """Of 6 examples 0, 1 and 2 are alike, and so are 3 and 4; the last one is not attacked."""
    pairs = np.array([[0, 1], [0, 2], [1, 2], [3, 4]])
    matrix = np.array([[1, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1]], bool)
    membership = Membership(matrix, (0, 1), (2,), np.arange(5))
    found = NearDuplicates(pairs, np.ones(4), 6, 0.8, 5)
    # Target 0: non-members 1 and 2, both near 0. Target 1: 0 to 3, of which 3 is near 4.
    assert found.leaking(membership) == pytest.approx((2 + 1) / (2 + 4))
    words = found.in_words(membership)
    assert words.startswith("5 of 6 records have a near duplicate, by a Jaccard similarity of at ")
    assert "50.0% of a target's non-members resemble a member of it" in words
    none = NearDuplicates(pairs[:0], np.ones(0), 6, 0.9, 4)
    assert none.in_words(membership).startswith("no two records are near duplicates, by a Jaccard")
    assert none.leaking(membership) == 0


def folder(path: Path) -> Path:
    base = "the quick brown fox jumps over the lazy dog and runs away"
    for i, text in enumerate([base, "something else entirely, of no likeness", f"{base}!"]):
        (path / f"{i}.txt").write_text(text)
    return path


def test_a_source_without_them_keeps_the_earlier_one(tmp_path: Path) -> None:
    plain = Text(folder(tmp_path), length=64)
    data = Distinct(plain).load()
    assert data.ids.tolist() == ["0.txt", "1.txt"]
    assert data.name.endswith(", 1 near duplicates left out")
    np.testing.assert_array_equal(data.x, plain.load().x[:2])
    assert Distinct(plain).load(lambda n: np.arange(n)[::-1][:1]).ids.tolist() == ["1.txt"]
    assert Distinct(Text(length=64)).at(tmp_path) == Distinct(plain)
    assert len(Distinct(plain, least=1.0).load()) == 3
    with pytest.raises(ValueError, match="is no text: near duplicates are looked for among tokens"):
        Distinct(Digits()).load()


def test_too_many_tokens_are_said_and_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pptp_jax.study.likeness._MOST", 100)
    data = Text(folder(tmp_path), length=64).load()
    matrix = np.array([[True, False, True]])
    found = likeness(data, Membership(matrix, (0,), (), np.arange(3)))
    assert found == {
        "words": "near duplicates were not looked for, since 192 tokens are more than 100: "
        "data.near_duplicates does it at any size"
    }
    assert likeness(Digits().load(), Membership(matrix, (0,), (), np.arange(3))) is None


@pytest.mark.parametrize(
    ("tokens", "settings", "message"),
    [
        (np.zeros((2, 3)), {}, r"integers of shape \(records, tokens\), got float64"),
        (np.zeros(3, int), {}, r"of shape \(3,\)"),
        (np.zeros((2, 3), int), {"least": 0}, "least must be above 0"),
        (np.zeros((2, 3), int), {"least": 1.5}, "least must"),
        (np.zeros((2, 3), int), {"width": 0}, "width must be an integer of at least 1"),
    ],
)
def test_what_is_refused(tokens: np.ndarray, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        near_duplicates(tokens, **settings)
