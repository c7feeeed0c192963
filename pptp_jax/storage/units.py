"""Quantities as a person reads them."""


def duration(seconds: float | None) -> str:
    """A time in the unit that fits it.

    Examples:
        >>> [duration(seconds) for seconds in (0.3, 42.0, 600.0, 9000.0, None)]
        ['under 1 s', '42 s', '10 min', '2.5 h', 'n/a']
    """
    if seconds is None:
        return "n/a"
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(number: int) -> str:
    """A number of bytes in the unit that fits it.

    Examples:
        >>> [size(number) for number in (999, 222_672, 12_000_000, 3 * 10**12)]
        ['999 B', '223 KB', '12 MB', '3 TB']
    """
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number = round(number / 1000)
    return f"{number} TB"
