"""Reading what a Python file defines."""

import runpy
from pathlib import Path
from typing import TypeVar

from pptp_jax.validation import Refused

T = TypeVar("T")


def load_defined(path: Path, name: str, kind: type[T]) -> T:
    """Runs a Python file and takes what it defines under a name.

    Args:
        path: the file.
        name: the name.
        kind: what it has to be.

    Raises:
        ValueError: if there is no such file, it fails, or it defines no such thing.
    """
    thing = f"{'an' if name[0] in 'aeiou' else 'a'} {name} is a Python file"
    if not path.is_file():
        raise Refused(f"{path}: there is no such file; {thing}")
    if path.suffix != ".py":
        raise Refused(f"{path}: {thing}, its name ends in .py")
    try:
        defined = runpy.run_path(str(path)).get(name)
    except SystemExit as error:
        raise Refused(f"{path}: the file must not end Python, as sys.exit() does") from error
    except Exception as error:  # whatever a user's file may raise
        raise Refused(f"{path}: {str(error) or type(error).__name__}") from error
    if not isinstance(defined, kind):
        package = ".".join(kind.__module__.split(".")[:2])
        raise Refused(
            f"{path}: the file must define `{name}`, a {package}.{kind.__name__}, "
            f"got {type(defined).__name__}"
        )
    return defined
