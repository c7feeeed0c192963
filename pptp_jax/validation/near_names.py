"""The known names that an unknown one may stand for."""

import difflib
from collections.abc import Iterable

# Shorter ones begin too many names.
_BEGINNING = 3


def near_names(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """The known names that are nearest, those that begin alike before those spelt alike.

    Args:
        name: the unknown one; capital and small letters are the same.
        known: the known ones.
        count: how many are named at most.

    Examples:
        >>> known = ["loss", "lira_online", "lira_offline"]
        >>> near_names("LiRA", known), near_names("lira_ofline", known), near_names("x", known)
        (['lira_online'], ['lira_offline'], [])
    """
    spelt = {one.lower(): one for one in known}
    begun = [one for one in spelt if one.startswith(name.lower())]
    near = difflib.get_close_matches(name.lower(), spelt, n=count)
    found = [*begun * (len(name) >= _BEGINNING), *near]
    return [spelt[one] for one in dict.fromkeys(found)][:count]
