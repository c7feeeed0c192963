"""Several faults in one sentence."""

from collections.abc import Mapping


def faults(there: Mapping[str, bool]) -> str:
    """The names of the faults that are there, for a message; empty if there are none.

    Args:
        there: whether each fault is there, by its name.

    Examples:
        >>> faults({"a fork": True, "a teacher": False, "an average": True})
        'a fork and an average'
    """
    return " and ".join(name for name, found in there.items() if found)
