"""Print safely: to a terminal without Unicode, a closed pipe or a full disk."""

import codecs
import errno
import io
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

import click

# What stands for a sign that the terminal lacks; any other becomes a question mark.
_INSTEAD = {
    **dict.fromkeys("−–—─━═", "-"),
    **dict.fromkeys("│┃║", "|"),
    **{"≥": ">=", "≤": "<=", "≠": "!=", "±": "+-", "·": "*", "×": "x", "…": "...", "→": "->"},
    **{"α": "alpha", "δ": "delta", "ε": "epsilon", "λ": "lambda", "σ": "sigma", "φ": "phi"},
    **{"‖": "||", "√": "sqrt", "∞": "inf", "ℓ": "loss", "²": "^2"},
}


def _instead(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_INSTEAD.get(sign, "?") for sign in signs), error.end


codecs.register_error("pptp_instead", _instead)


def log(sentence: str) -> None:
    """Writes a sentence to the standard error; a failure to write does not stop the work."""
    with suppress(OSError):
        click.echo(sentence, err=True)


def terminal_width() -> int:
    """The width of the terminal; elsewhere that of the widest summary."""
    from pptp_jax.report import WIDEST

    return shutil.get_terminal_size(fallback=(WIDEST, 24)).columns


@contextmanager
def safe_output() -> Iterator[None]:
    """A context in which a failure to print ends without a traceback.

    Signs that an output cannot encode are replaced. Where it is full or its reader has gone, the
    command ends with exit code 1; a full one is also named on the standard error. All that was
    computed is on disk by then.
    """
    _fill_gaps()
    streams = [stream for stream in (sys.stdout, sys.stderr) if stream is not None]
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="pptp_instead")
    try:
        try:
            yield
        finally:
            for stream in streams:
                stream.flush()
    except OSError as error:
        if error.filename is not None:  # of a file, not of a stream
            raise
        if error.errno != errno.EPIPE:
            log(f"Error: the output could not be written: {error.strerror}")
        for stream in streams:
            _discard_unwritten(stream)
        sys.exit(1)


def _fill_gaps() -> None:
    """Opens what was closed: a file would get its number, and what XLA has to say in it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _discard_unwritten(stream: TextIO) -> None:
    """Sends to nowhere what is left in a broken stream: Python would try again at its end."""
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
