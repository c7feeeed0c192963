"""The form of plain data: the type of each value, checked before anything reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pptp_jax.evaluation.schema import Damaged

NUMBER, WHOLE, TEXT, ANY = "a number", "an integer", "a text", "anything"
_KINDS: Mapping[str, tuple[type, ...]] = {
    NUMBER: (int, float),
    WHOLE: (int,),
    TEXT: (str,),
}
# One of the four above; a list of a form, or of several, one a place; a record, whose keys may be
# left out where they end in `?`, and of which `*` stands for all others.
Form = Any


@dataclass(frozen=True)
class Maybe:
    """A form, or null."""

    form: Form


@dataclass(frozen=True)
class Even:
    """A record whose lists, and the lists in these, are of one length."""

    form: Form


def check_form(value: Any, form: Form, place: str = "it") -> None:
    """Refuses a value that does not fit its form.

    Args:
        value: plain data, from JSON.
        form: what it should be.
        place: what the value is called.

    Raises:
        Damaged: naming the place and what belongs there.

    Examples:
        >>> check_form({"notes": ["x", 3]}, {"notes": [TEXT]})
        Traceback (most recent call last):
            ...
        pptp_jax.evaluation.schema.Damaged: notes[1] must be a text, got 3
    """
    if isinstance(form, Maybe):
        if value is None:
            return
        form = form.form
    if isinstance(form, Even):
        check_form(value, form.form, place)
        if len(_lengths(value)) > 1:
            raise Damaged(f"the lists of {place} are of different lengths")
    elif isinstance(form, list):
        if not isinstance(value, list) or (len(form) > 1 and len(value) != len(form)):
            raise Damaged(f"{place} must be a list, got {value!r:.80}")
        for i, part in enumerate(value):
            check_form(part, form[i % len(form)], f"{place}[{i}]")
    elif isinstance(form, Mapping):
        _check_record(value, form, place)
    elif form != ANY and (not isinstance(value, _KINDS[form]) or not _is_plain(value)):
        raise Damaged(f"{place} must be {form}, got {value!r:.80}")


def _check_record(value: Any, form: Mapping[str, Form], place: str) -> None:
    if not isinstance(value, dict):
        raise Damaged(f"{place} must be a record, got {value!r:.80}")
    for key in form:
        if key != "*" and not key.endswith("?") and key not in value:
            raise Damaged(f"{place} lacks {key}")
    for key, part in value.items():
        own = form.get(key, form.get(f"{key}?", form.get("*", ANY)))
        check_form(part, own, key if place == "it" else f"{place}.{key}")


def _is_plain(value: Any) -> bool:
    """Whether it is a number that fits a float, and no bool, which Python counts as an integer."""
    return isinstance(value, str) or (not isinstance(value, bool) and abs(value) < 1e300)


def _lengths(value: Any) -> set[int]:
    """The lengths of all lists in a value."""
    if isinstance(value, dict):
        return set().union(*map(_lengths, value.values()))
    return {len(value)}.union(*map(_lengths, value)) if isinstance(value, list) else set()
