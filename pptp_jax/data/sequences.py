"""Sequences of tokens of one length, each known once, as a data set."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from pptp_jax.data.dataset import Dataset
from pptp_jax.data.source import Select
from pptp_jax.data.tokenizer import Tokenizer

Duplicates = Literal["drop", "keep"]


class Sequences(NamedTuple):
    """Tokens in rows of one length.

    Attributes:
        ids: what each row is known by.
        seen: the tokens that a model gets.
        following: the token that follows each of them; −1 where none does.
    """

    ids: Sequence[str]
    seen: Int[np.ndarray, "rows length"]
    following: Int[np.ndarray, "rows length"]


def rows_of_records(
    records: Iterable[tuple[str, str]], tokenizer: Tokenizer, length: int, *, packed: bool
) -> Sequences:
    """A row a record, cut or filled up; or, packed, one record behind the other without gaps.

    A boundary stands before and behind every record. A packed row is known by its first record and
    the place in it.

    Args:
        records: what each is known by, and its text.
        tokenizer: what makes tokens of a text.
        length: the tokens in a row.
        packed: whether rows are packed.
    """
    boundary = tokenizer.boundary
    known = [(name, [*tokenizer.encode(text), boundary]) for name, text in records]
    found = list(_packed(known, length) if packed else known)
    following = np.full((len(found), length), -1, np.int32)
    for row, (_, tokens) in zip(following, found, strict=True):
        row[: len(tokens)] = tokens[:length]
    # Every model starts at a boundary, in the middle of a record as well.
    before = np.full((len(found), 1), boundary, np.int32)
    seen = np.concatenate([before, following[:, :-1]], axis=1)
    return Sequences([name for name, _ in found], np.where(seen < 0, boundary, seen), following)


def _packed(known: list[tuple[str, list[int]]], length: int) -> Iterator[tuple[str, list[int]]]:
    row: list[int] = []
    name = ""
    for record, tokens in known:
        place = 0
        while place < len(tokens):
            if not row:
                name = f"{record}@{place}"
            part = tokens[place : place + length - len(row)]
            row, place = row + part, place + len(part)
            if len(row) == length:
                yield name, row
                row = []
    if row:
        yield name, row


def as_dataset(
    name: str, rows: Sequences, vocabulary: int, duplicates: Duplicates, select: Select
) -> Dataset:
    """The data set of some rows, of which no two are equal unless duplicates are kept.

    Two rows are duplicates where a model learns the same of them: a non-member that is equal to a
    member is one, whatever the membership matrix says, and makes every attack look weaker than it
    is. The data set's name says how many there were.

    Args:
        name: what the data are called.
        rows: the rows.
        vocabulary: how many tokens there are.
        duplicates: whether the later ones of equal rows are dropped or kept.
        select: which of the rows that are left, given how many there are.
    """
    learned = (row.tobytes() for row in rows.following)
    first: dict[bytes, int] = {}
    for place, content in enumerate(learned):
        first.setdefault(content, place)
    kept = np.arange(len(rows.ids))
    if found := len(kept) - len(first):
        name = f"{name}, {found} exact duplicates {'dropped' if duplicates == 'drop' else 'kept'}"
    if duplicates == "drop":
        kept = np.fromiter(first.values(), int, len(first))
    kept = kept[select(len(kept))]
    return Dataset(
        name=name,
        x=rows.seen[kept],
        y=rows.following[kept],
        ids=np.array([rows.ids[row] for row in kept.tolist()], dtype=str),
        num_classes=None,
        vocabulary=vocabulary,
    )
