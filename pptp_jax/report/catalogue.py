"""What there is to choose from, for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table

COLUMNS = {
    "what": "",
    "access": "the attacker sees",
    "shadows": "shadows an example needs",
    "reads": "reads",
    "needs": "needs",
    "arguments": "arguments",
}


def catalogue_tables(known: Mapping[str, Sequence[Mapping[str, Any]]]) -> Group:
    """A table a section, to be printed by rich.

    Args:
        known: what `pptp_jax.cli.catalogue.catalogue` gives, or some of its sections.
    """
    return Group(*(_table(section, entries) for section, entries in known.items()))


def _table(section: str, entries: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(section, no_wrap=True, style="bold")
    present = [key for key in COLUMNS if any(entry.get(key) for entry in entries)]
    for key in present:
        table.add_column(COLUMNS[key])
    for entry in entries:
        table.add_row(entry["name"], *(_cell(entry.get(key, "")) for key in present))
    return table


def _cell(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
