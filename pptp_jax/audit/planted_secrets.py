"""Plant secrets in text, and draw the fillings that each of them is compared with."""

from collections.abc import Iterator
from dataclasses import replace
from string import ascii_lowercase
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from pptp_jax.data import Dataset, Secrets, absent_rows
from pptp_jax.data.secrets import rows_of_secrets
from pptp_jax.validation import Refused

_LABEL_LETTERS = 4


class ComparedSecrets(NamedTuple):
    """A data set with canaries, and the rows that a model is queried on.

    Attributes:
        data: the records, then the canaries as they are trained on, then the canaries and the
            other fillings with the tokens of their secrets alone for targets.
        canaries: the rows of the canaries as they are trained on.
        secrets: the rows of the canaries with their secrets alone for targets.
        fillings: for each canary, the rows of the other fillings.
        exact: whether these are all that there are.
    """

    data: Dataset
    canaries: Int[np.ndarray, " canaries"]
    secrets: Int[np.ndarray, " canaries"]
    fillings: Int[np.ndarray, "canaries fillings"]
    exact: bool


class PlantedSecrets(NamedTuple):
    """Text with canaries, and the canaries of each run.

    Attributes:
        compared: the text, the canaries and what they are compared with.
        repetitions: how often each canary stands in the training data.
        held_out: the rows that no run trains on.
        others: the rows that every run trains on.
        present: in which run each canary is.
    """

    compared: ComparedSecrets
    repetitions: Int[np.ndarray, " canaries"]
    held_out: Int[np.ndarray, " held_out"]
    others: Int[np.ndarray, " others"]
    present: Bool[np.ndarray, "runs canaries"]

    @property
    def data(self) -> Dataset:
        """The records, the canaries and what they are compared with."""
        return self.compared.data

    @property
    def places(self) -> int:
        """How many records a run's batches are dealt from, absent ones included."""
        return int(self.repetitions.sum()) + len(self.others)

    def members(self) -> Int[np.ndarray, "runs places"]:
        """Each run's rows; a canary's as often as it is repeated, all present or all absent."""
        rows = self.compared.canaries
        canaries = np.where(self.present, rows, absent_rows(rows))
        repeated = np.repeat(canaries, self.repetitions, axis=1)
        others = np.broadcast_to(self.others, (len(self.present), len(self.others)))
        return np.concatenate([repeated, others], axis=1)


def compare(
    data: Dataset, secrets: Secrets, canaries: int, fillings: int, rng: np.random.Generator
) -> ComparedSecrets:
    """Draws secrets and other fillings of their template, and adds them to a data set.

    Args:
        data: the text.
        secrets: the template.
        canaries: how many secrets.
        fillings: how many other fillings there are for each of them, or all if the space has no
            more. Secrets with one prefix share them, and none of these secrets is among them.
        rng: the randomness.

    Raises:
        ValueError: if the space has too few secrets, or one is longer than a sequence.
    """
    own_x, own_y, queried_x, queried_y = [data.x], [data.y], [], []
    alone, others = [], []
    length, first = data.x.shape[1], len(data) + canaries
    at = first
    for label, own, rest in _groups(secrets, canaries, fillings, rng):
        found = rows_of_secrets(secrets, np.concatenate([own, rest]), length, label)
        own_x.append(found.rows.seen[: len(own)])
        own_y.append(found.rows.following[: len(own)])
        queried_x.append(found.rows.seen)
        queried_y.append(found.following)
        rows = at + np.arange(len(found.secret))
        alone.append(rows[: len(own)])
        others.append(np.broadcast_to(rows[len(own) :], (len(own), len(rest))))
        at += len(rows)
    names = [f"canary/{i}" for i in range(canaries)] + [f"asked/{i}" for i in range(at - first)]
    return ComparedSecrets(
        data=replace(
            data,
            x=np.concatenate(own_x + queried_x),
            y=np.concatenate(own_y + queried_y),
            ids=np.concatenate([data.ids.astype(str), np.array(names)]),
        ),
        canaries=len(data) + np.arange(canaries),
        secrets=np.concatenate(alone),
        fillings=np.concatenate(others),
        exact=others[0].shape[1] == secrets.space - (1 if secrets.labelled else canaries),
    )


def _groups(
    secrets: Secrets, canaries: int, fillings: int, rng: np.random.Generator
) -> Iterator[tuple[str, Int[np.ndarray, "own length"], Int[np.ndarray, "rest length"]]]:
    """Secrets that share a label and other fillings: each its own, or all of them together."""
    if secrets.labelled:
        for label in _labels(canaries, rng):
            own = secrets.draw(1, rng)
            yield label, own, _rest(secrets, own, fillings, rng)
        return
    if canaries > secrets.space // 2:
        raise Refused(
            f"{canaries} canaries need a space of at least twice as many secrets, or a template "
            f"with {{label}}; this one has {secrets.space}"
        )
    found: dict[bytes, np.ndarray] = {}
    while len(found) < canaries:
        [symbols] = secrets.draw(1, rng)
        found.setdefault(symbols.tobytes(), symbols)
    own = np.stack(list(found.values()))
    yield "", own, _rest(secrets, own, fillings, rng)


def _rest(
    secrets: Secrets, own: Int[np.ndarray, "own length"], number: int, rng: np.random.Generator
) -> Int[np.ndarray, "rest length"]:
    """Fillings that are none of a group's secrets: all of them, or `number` random ones."""
    taken = {symbols.tobytes() for symbols in own}

    def free(drawn: Int[np.ndarray, "drawn length"]) -> Int[np.ndarray, "free length"]:
        return drawn[[symbols.tobytes() not in taken for symbols in drawn]]

    if secrets.space - len(own) <= number:
        return free(secrets.every())
    found = free(secrets.draw(number, rng))
    while len(found) < number:
        found = np.concatenate([found, free(secrets.draw(number, rng))])
    return found[:number]


def _labels(number: int, rng: np.random.Generator) -> list[str]:
    """Different random words of a few letters."""
    places = rng.choice(len(ascii_lowercase) ** _LABEL_LETTERS, number, replace=False)
    letters = places[:, None] // 26 ** np.arange(_LABEL_LETTERS) % 26
    return ["".join(ascii_lowercase[i] for i in word) for word in letters.tolist()]
