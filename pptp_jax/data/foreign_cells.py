"""Numbers and dates in forms that are not read as such."""

import re
import shlex
from collections.abc import Sequence

from pptp_jax.data.odd_cells import mostly
from pptp_jax.validation import Refused

# The cells of each form, and what to write instead.
_FORMS = {
    "numbers with a decimal comma": (r"[-+]?\d+,\d+", "write a point, such as 0.5"),
    "dates": (r"\d{1,2}[./]\d{1,2}[./]\d{2}(\d{2})?", "write them as 2024-03-01"),
}


def check_foreign(name: str, cells: Sequence[str]) -> None:
    """Refuses a column of numbers or dates that would be read as categories.

    Args:
        name: what the column is called.
        cells: its texts, without missing ones.

    Raises:
        ValueError: if at least 90 % of the cells have such a form; it names the remedy.

    Examples:
        >>> check_foreign("town", ["Bern", "Chur"])
        >>> check_foreign("dose", ["0,5", "1,25"])
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: column 'dose' holds numbers with a decimal comma, ...
    """
    for form, (pattern, remedy) in _FORMS.items():
        found = [cell for cell in cells if re.fullmatch(pattern, cell)]
        if found and mostly(len(found), len(cells)):
            raise Refused(
                f"column {name!r} holds {form}, such as {found[0]!r}: {remedy}. If these are "
                f"categories, name the column as one: --category {shlex.quote(name)}"
            )
