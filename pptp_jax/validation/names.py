"""Checks of names and paths."""

import os

from pptp_jax.validation import Refused


def word(**values: object) -> None:
    """Refuses anything but a text.

    Examples:
        >>> word(name=3)
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: name must be a word, got 3
    """
    for name, value in values.items():
        if not isinstance(value, str):
            raise Refused(f"{name} must be a word, got {value!r:.80}")


def file_name(**values: object) -> None:
    """Refuses a text that is not the name of one file or directory.

    Examples:
        >>> file_name(name="a/../../b")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: name must be a name for a file, without / and ...
    """
    word(**values)
    for name, value in values.items():
        text = str(value)
        if not text.strip(". ") or set(text) & {"/", "\\", "\0"}:
            raise Refused(f"{name} must be a name for a file, without / and \\, got {text!r:.80}")


def path(**values: object) -> None:
    """Refuses anything but a path.

    Examples:
        >>> path(out=b"runs")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: out must be a path, got b'runs'
    """
    for name, value in values.items():
        if not isinstance(value, str | os.PathLike) or "\0" in str(value):
            raise Refused(f"{name} must be a path, got {value!r:.80}")
