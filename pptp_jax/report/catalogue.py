"""What there is to choose from, for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table

EXPLAINED = "access: what the attacker sees; shadows: how many an example needs"
# What stands below a description, in this order.
DETAILS = {
    "access": "access",
    "shadows": "shadows",
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
    """A column a detail; where entries have descriptions, these, with the details below them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(section, no_wrap=True, style="bold")
    present = [key for key in DETAILS if any(entry.get(key) for entry in entries)]
    if not any(entry.get("what") for entry in entries):
        for key in present:
            table.add_column(DETAILS[key], overflow="fold")
        if "access" in present:
            table.caption, table.caption_justify = EXPLAINED, "left"
        for entry in entries:
            table.add_row(entry["name"], *(_words(entry.get(key, "")) for key in present))
        return table
    table.add_column("", overflow="fold")
    for entry in entries:
        details = [f"{DETAILS[key]}: {_words(entry[key])}" for key in present if entry.get(key)]
        table.add_row(entry["name"], "\n".join(filter(None, [entry.get("what"), *details])))
    return table


def _words(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
