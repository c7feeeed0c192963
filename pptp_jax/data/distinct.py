"""A source of text without near duplicates: of similar records only the first is kept."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from pptp_jax.data.dataset import Dataset
from pptp_jax.data.near_duplicates import near_duplicates
from pptp_jax.data.source import Select, Source, moved
from pptp_jax.validation import Refused, at_least, fraction
from pptp_jax.validation.field_types import check_fields


@dataclass(frozen=True)
class Distinct:
    """A source of text, of which no two records are near duplicates.

    Of two near duplicates the earlier one stays. The name of the data set says how many were left
    out. All records are read, and then those that stay are selected from.

    Attributes:
        source: where the records come from.
        least: the Jaccard similarity from which two records are near duplicates.
        width: the tokens of a shingle.

    Examples:
        >>> from pptp_jax.data import Topics
        >>> topics = Topics(length=32)
        >>> data = Distinct(topics).load()
        >>> len(data) < len(topics.load()), "near duplicates left out" in data.name
        (True, True)
    """

    source: Source
    least: float = 0.8
    width: int = 5

    def __post_init__(self) -> None:
        check_fields(self)
        fraction(least=self.least)
        at_least(1, width=self.width)

    def load(self, select: Select = np.arange) -> Dataset:
        """Reads the records, and leaves out the near duplicates.

        Raises:
            ValueError: if the records are no sequences of tokens.
        """
        data = self.source.load()
        if data.vocabulary is None or data.y.ndim != 2 or data.y.dtype.kind not in "iu":
            raise Refused(f"{data.name} is no text: near duplicates are looked for among tokens")
        out = near_duplicates(data.y, self.least, self.width).later()
        kept = np.setdiff1d(np.arange(len(data)), out)
        kept = kept[select(len(kept))]
        name = f"{data.name}, {len(out)} near duplicates left out" if len(out) else data.name
        owners = None if data.owners is None else data.owners[kept]
        return replace(
            data, name=name, x=data.x[kept], y=data.y[kept], ids=data.ids[kept], owners=owners
        )

    def at(self, path: Path) -> Self:
        """The same of the source at another place."""
        return replace(self, source=moved(self.source, path))
