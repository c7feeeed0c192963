"""The candidate regions of a risk map: every block, and every prefix and suffix."""

from collections.abc import Sequence

Region = tuple[str, ...]


def candidates(blocks: Sequence[str]) -> tuple[Region, ...]:
    """Every block, then every longer prefix and suffix that leaves a block out, each once.

    Args:
        blocks: the blocks' names in forward order.

    Examples:
        >>> candidates(["stem", "stage1", "head"])
        (('stem',), ('stage1',), ('head',), ('stem', 'stage1'), ('stage1', 'head'))
    """
    return tuple(dict.fromkeys([*((block,) for block in blocks), *cuts(blocks)]))


def cuts(blocks: Sequence[str]) -> tuple[Region, ...]:
    """The prefixes and the suffixes of a network, from short to long, never all of it.

    Args:
        blocks: the blocks' names in forward order.

    Examples:
        >>> cuts(["stem", "stage1", "head"])
        (('stem',), ('stem', 'stage1'), ('head',), ('stage1', 'head'))
    """
    lengths = range(1, len(blocks))
    prefixes = [tuple(blocks[:length]) for length in lengths]
    suffixes = [tuple(blocks[-length:]) for length in lengths]
    return (*prefixes, *suffixes)
