"""Numbers and dates in forms that are not read as such."""

import re
from collections.abc import Sequence

from pptp_jax.data.odd_cells import mostly
from pptp_jax.data.table_file import number_of
from pptp_jax.validation import Refused

# The cells of each form, and what to write instead.
_FORMS = {
    "numbers with commas": (
        r"[-+]?(\d+,\d+|\d{1,3}([. ']\d{3})+,\d+|\d{1,3}(,\d{3})+(\.\d+)?)",
        "write 1234.5 for 1.234,5 and for 1,234.5",
    ),
    "dates": (
        r"(\d{1,2}[./-]\d{1,2}[./-](\d{2}|\d{4})|\d{4}[./]\d{1,2}[./]\d{1,2})"
        r"([ T]\d{1,2}:\d{2}(:\d{2})?)?",
        "write them as 2024-03-01",
    ),
}


def check_foreign(what: str, cells: Sequence[str], otherwise: str) -> None:
    """Refuses a column of numbers or dates that would be read as texts.

    Args:
        what: the column, for the message.
        cells: its texts, without missing ones.
        otherwise: what to do if they are texts.

    Raises:
        ValueError: if at least 90 % of the cells have such a form, or are numbers as they should
            be; it names the remedy.

    Examples:
        >>> check_foreign("column 'town'", ["Bern", "Chur"], "")
        >>> check_foreign("column 'dose'", ["0,5", "1", "1.250,5"], "Else leave it out.")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: column 'dose' holds numbers with commas, such as '0,5': ...
    """
    numbers = sum(number_of(cell) is not None for cell in cells)
    for form, (pattern, remedy) in _FORMS.items():
        found = [cell for cell in cells if re.fullmatch(pattern, cell)]
        if found and mostly(len(found) + numbers, len(cells)):
            raise Refused(f"{what} holds {form}, such as {found[0]!r}: {remedy}. {otherwise}")
