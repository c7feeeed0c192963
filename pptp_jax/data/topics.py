"""The paragraphs of Python's own documentation: no download, no file."""

import hashlib
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np

from pptp_jax.data.dataset import Dataset
from pptp_jax.data.sequences import as_dataset, rows_of_records
from pptp_jax.data.source import Select
from pptp_jax.data.tokenizer import Bytes, Tokenizer
from pptp_jax.validation import Refused, at_least
from pptp_jax.validation.field_types import check_fields

Part = Literal["all", "first", "second"]


@dataclass(frozen=True)
class Topics:
    """The paragraphs of Python's `help()` topics, a record each, cut to one length.

    They are in the standard library as `pydoc_data.topics`, and differ a little from one version of
    Python to the next: the name of the data set has the version. A paragraph is known by its topic
    and a hash of its words, so that it keeps its identity in another version. White space counts as
    one blank. Many paragraphs stand in several topics; of those that are equal as far as a model
    sees them, all but the first are dropped.

    Attributes:
        length: the tokens of a sequence.
        shortest: paragraphs with fewer characters, such as headings, are left out.
        tokenizer: what makes tokens of a text.
        part: the topics by name, every other one from the `first` or from the `second`: one part to
            pretrain on, the other for members and non-members. No sequence is in both: one that
            stands in several topics belongs to the first of them.

    Examples:
        >>> data = Topics(length=32).load()
        >>> bytes(data.x[0, 1:].tolist()).decode()
        'Assert statements are a conveni'
    """

    length: int = 128
    shortest: int = 64
    tokenizer: Tokenizer = Bytes()  # noqa: RUF009 - frozen
    part: Part = "all"

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(1, length=self.length, shortest=self.shortest)

    def load(self, select: Select = np.arange) -> Dataset:
        """Reads the paragraphs."""
        records = list(_paragraphs(self.shortest))
        rows = rows_of_records(records, self.tokenizer, self.length, packed=False)
        name = f"topics of Python {platform.python_version()}"
        if self.part == "all":
            return as_dataset(name, rows, self.tokenizer.vocabulary, "drop", select)
        found = as_dataset(name, rows, self.tokenizer.vocabulary, "drop", np.arange)
        topics = [row.partition("/")[0] for row in found.ids.tolist()]
        rank = {topic: place for place, topic in enumerate(sorted(set(topics)))}
        own = np.array([rank[topic] % 2 for topic in topics]) == (self.part == "second")
        kept = np.flatnonzero(own)
        kept = kept[select(len(kept))]
        name = f"{found.name}, {self.part} part"
        return replace(found, name=name, x=found.x[kept], y=found.y[kept], ids=found.ids[kept])

    def at(self, path: Path) -> Self:
        """Refuses: the topics come with Python and lie nowhere else."""
        raise Refused(f"this study's data are Python's own topics, they take no path: {path}")


def _paragraphs(shortest: int) -> Iterator[tuple[str, str]]:
    from pydoc_data.topics import topics

    for topic, text in sorted(topics.items()):
        for part in re.split(r"\n\s*\n", text):
            words = " ".join(part.split())
            if len(words) >= shortest:
                yield f"{topic}/{hashlib.sha256(words.encode()).hexdigest()[:12]}", words
