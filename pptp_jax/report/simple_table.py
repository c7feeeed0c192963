"""The form of all tables of results: text at the left, numbers at the right."""

from collections.abc import Sequence

from rich import box
from rich.table import Table


def simple_table(text: Sequence[str], numbers: Sequence[str] = ()) -> Table:
    """Makes an empty table.

    Args:
        text: the headings of the first columns, whose cells stand at the left.
        numbers: those of the others, whose cells stand at the right.

    Examples:
        >>> simple_table(["recipe"], ["AUC", "TPR@1%"]).columns[2].justify
        'right'
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in text:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
