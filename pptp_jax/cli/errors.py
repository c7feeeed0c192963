"""Print a user's mistake as a sentence instead of a traceback."""

import errno
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from pptp_jax.cli.output import log
from pptp_jax.validation import Refused


class Sentence(click.ClickException):
    """What is wrong, with the nearest right thing in colour where there is a terminal."""

    def show(self, file: Any = None) -> None:
        """Prints it to the standard error."""
        said = re.sub(
            r"(did you mean )('[^']*')",
            lambda found: found[1] + click.style(found[2], fg="green", bold=True),
            self.format_message(),
        )
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {said}", err=True)


@contextmanager
def errors_as_sentences(
    *, resumable: bool = False, code: Callable[[], int] = lambda: 130
) -> Iterator[None]:
    """Ends the command with what is wrong, or with its being interrupted.

    Args:
        resumable: whether the same command goes on from where it stopped.
        code: returns the exit code of an interrupted command.

    Examples:
        >>> with errors_as_sentences():
        ...     raise Refused("there is no such directory")
        Traceback (most recent call last):
            ...
        pptp_jax.cli.errors.Sentence: there is no such directory
    """
    on = "the same command goes on from here"
    try:
        yield
    except OSError as error:
        full = resumable and error.errno in (errno.ENOSPC, errno.EDQUOT)
        message = f"{error}; once there is space, {on}" if full else str(error)
        raise Sentence(message) from error
    except Refused as error:
        raise Sentence(str(error)) from error
    except ImportError as error:
        if error.name is not None:  # the interpreter's own, of a module that should be there
            raise
        raise Sentence(str(error)) from error
    except KeyboardInterrupt:
        log(f"interrupted; {on}" if resumable else "interrupted")
        sys.exit(code())
