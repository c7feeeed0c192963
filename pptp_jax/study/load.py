"""Load an object that a Python file defines."""

import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pptp_jax.validation import Refused
from pptp_jax.validation.near_names import near_names

T = TypeVar("T")
_PACKAGE = Path(__file__).resolve().parents[1]


def load_defined(path: Path, name: str, *kinds: type[T], embedded: str | None = None) -> T:
    """Runs a Python file and takes what it defines under a name.

    Args:
        path: the file. What lies beside it can be imported while it runs (see `importable_beside`).
        name: the name.
        kinds: what it has to be, one of these.
        embedded: what may be given in place of a file, for the message.

    Raises:
        ValueError: if there is no such file, it fails, or it defines no such thing.
    """
    thing = f"{'an' if name[0] in 'aeiou' else 'a'} {name} is a Python file"
    if not path.is_file():
        files = map(str, sorted(path.parent.glob("*.py")))
        near = near_names(str(path), [*([embedded] if embedded else []), *files])
        hint = f"did you mean {near[0]!r}? {thing[0].upper()}{thing[1:]}" if near else thing
        raise Refused(f"{path}: there is no such file; {hint}")
    if path.suffix != ".py":
        raise Refused(f"{path}: {thing}, its name ends in .py")
    try:
        with importable_beside(path):
            defined = runpy.run_path(str(path)).get(name)
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        raise Refused(
            f"{path}: the file ends the program, with sys.exit({error.code!r})"
            + _places(path, error)
        ) from error
    except BaseException as error:  # whatever a user's file may raise
        raise Refused(f"{path}: {_said(error)}{_places(path, error)}") from error
    if not isinstance(defined, kinds):
        package = ".".join(kinds[0].__module__.split(".")[:2])
        called = " or ".join(kind.__name__ for kind in kinds)
        raise Refused(
            f"{path}: the file must define `{name}`, a {package}.{called}, "
            f"got {type(defined).__name__}"
        )
    return defined


@contextmanager
def importable_beside(path: Path) -> Iterator[None]:
    """Lets what lies in a file's directory be imported, as `python FILE` does.

    Afterwards these modules are forgotten, so that the file of another directory gets its own.

    Args:
        path: the file.

    Examples:
        >>> import tempfile
        >>> here = Path(tempfile.mkdtemp())
        >>> _ = (here / "my_networks.py").write_text("hidden = 8")
        >>> with importable_beside(here / "study.py"):
        ...     import my_networks
        >>> my_networks.hidden, "my_networks" in sys.modules, str(here) in sys.path
        (8, False, False)
    """
    home = path.resolve().parent
    if str(home) in sys.path:  # they can be imported anyhow, and others may hold them
        yield
        return
    known = {name.split(".")[0] for name in sys.modules}
    sys.path.insert(0, str(home))
    try:
        yield
    finally:
        if str(home) in sys.path:
            sys.path.remove(str(home))
        for name, module in [*sys.modules.items()]:
            top = name.split(".")[0]
            files = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
            places = [place for file in files if file for place in _upwards(Path(file))]
            # Installed packages may lie below it, too; other code still needs them.
            if top not in known and home / top in places:
                del sys.modules[name]


def _upwards(file: Path) -> list[Path]:
    return [file, file.with_suffix(""), *file.parents]


def _said(error: BaseException) -> str:
    """The message of an error, with its type where it is not ours."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, SyntaxError):
        code = f": {error.text.strip():.80}" if error.text else ""
        return f"{type(error).__name__}: {error.msg}{code}"
    return "".join(traceback.format_exception_only(error)).strip()


def _places(path: Path, error: BaseException) -> str:
    """Where in the user's own files it happened, the innermost place last."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        places.append((error.filename, error.lineno))
    home = path.resolve().parent
    own = [f"\n  at {file}, line {line}" for file, line in places if _is_own(Path(file), home)]
    return "".join(dict.fromkeys(own))


def _is_own(file: Path, home: Path) -> bool:
    inside = home in file.resolve().parents and "site-packages" not in file.parts
    return inside and not file.name.startswith("<") and _PACKAGE not in file.resolve().parents
