"""Tables and sentences as plain text."""

from io import StringIO

from rich.console import Console
from rich.table import Table

# The width of files, in which tables have all their columns.
WIDE = 200


def plain_text(*parts: Table | str, width: int = WIDE) -> str:
    r"""Prints tables and sentences one below the other.

    Names of studies, data and recipes may hold square brackets and colons, which Rich would
    otherwise read as markup and emoji.

    Args:
        parts: the tables and sentences; an empty text leaves a line blank.
        width: that of a line; longer sentences go on in the next one.

    Examples:
        >>> plain_text("data[1].npz", "", "2 models")
        'data[1].npz\n\n2 models'
    """
    text = StringIO()
    console = Console(
        file=text, width=width, color_system=None, markup=False, emoji=False, highlight=False
    )
    for part in parts:
        console.width = width
        if width >= WIDE and isinstance(part, Table):  # a file loses no number to a long name
            console.width = 10_000
            console.width = max(width, console.measure(part).maximum)
        console.print(part)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
