"""The columns of a table that a terminal has room for."""

from collections.abc import Mapping, Sequence

_BETWEEN = 3  # the space between columns


def fitting(columns: Mapping[str, Sequence[str]], room: int) -> dict[str, Sequence[str]]:
    """The first columns, as many as fit beside each other.

    Args:
        columns: the cells of each, by title.
        room: how many characters there are.

    Examples:
        >>> fitting({"accuracy": ["0.93"], "a long title": ["1"], "AUC": ["0.6"]}, room=18)
        {'accuracy': ['0.93']}
    """
    kept = {}
    for title, cells in columns.items():
        room -= _BETWEEN + max(map(len, (title, *cells)))
        if room < 0:
            break
        kept[title] = cells
    return kept
