"""The report of an audit: its directory, its title and its command."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pptp_jax.validation import given
from pptp_jax.validation.names import path, word


@dataclass(frozen=True)
class AuditReport:
    """The report of an audit: its directory, its title and its command.

    Attributes:
        out: a directory for `report.html`, `results.json`, `table.txt`, `roc.png`, `scores/` and
            `README.md`; None writes nothing.
        name: what the report is called.
        command: what a person types to get the same numbers, to be written down.
        data: what the examples are called together.
        ids: what each example is called, in `combined/`; None numbers them.
        config: how the models were trained, as plain data, where that is known.

    Raises:
        ValueError: if a name is no word, or `out` is no path.

    Examples:
        >>> AuditReport("runs/mine").directory.name
        'mine'
    """

    out: Path | str | None = None
    name: str = "audit"
    command: str | None = None
    data: str = "given signals"
    ids: tuple[str, ...] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        word(name=self.name, **given(command=self.command))
        path(**given(out=self.out))

    @property
    def directory(self) -> Path | None:
        """The directory of the report; None if it is not written."""
        return None if self.out is None else Path(self.out)
