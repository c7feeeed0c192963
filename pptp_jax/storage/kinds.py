"""The kind of run in a directory, so that no other kind or study overwrites it."""

import filecmp
import json
import os
from pathlib import Path
from typing import Any, Literal

from pptp_jax.validation import Refused

Kind = Literal["study", "signals", "canaries", "risk map", "search"]
_NAMES: dict[Kind, str] = {
    "study": "a run of a study (`pptp run`)",
    "signals": "an audit of signals (`pptp table` or `pptp audit`)",
    "canaries": "an audit by canaries (`pptp canaries`)",
    "risk map": "a risk map (`pptp locate`)",
    "search": "a search (`pptp search`)",
}
# A study's run has its risk map in its own directory.
_TOGETHER = {"study", "risk map"}
# What runs write over or delete, and people have as well.
_OURS = ("README.md", "fleets", "report.html", "results.json", "scores", "signals", "table.txt")


def kind_of(directory: Path) -> Kind | None:
    """The kind of run that a directory holds, finished or not; None if it holds none.

    Examples:
        >>> import tempfile
        >>> here = Path(tempfile.mkdtemp())
        >>> kind_of(here)
        >>> _ = (here / "manifest.json").write_text('{"kind": "canaries"}')
        >>> kind_of(here)
        'canaries'
    """
    try:
        manifest = json.loads((directory / "manifest.json").read_text())
    except (FileNotFoundError, NotADirectoryError):
        files: dict[str, Kind] = {
            "audit.json": "canaries",
            "results.json": "signals",
            "risk_map.json": "risk map",
        }
        return next((kind for name, kind in files.items() if (directory / name).exists()), None)
    except ValueError:
        return "study"
    kind = manifest.get("kind") if isinstance(manifest, dict) else None
    return kind if kind in _NAMES else "study"


def kind_name(kind: Kind | None) -> str:
    """The name of a kind for messages, with the command that makes it.

    Examples:
        >>> kind_name("risk map")
        'a risk map (`pptp locate`)'
    """
    return "no run" if kind is None else _NAMES[kind]


def _study_of(directory: Path) -> str | None:
    """The name of the study or audit whose run a directory holds, where it can be read."""
    for name in ("manifest.json", "risk_map.json"):
        found = _record(directory / name)
        study = found.get("study", found.get("audit"))
        if isinstance(study, str):
            return study
    return None


def _record(path: Path) -> dict[str, Any]:
    """The content of a file; empty where it cannot be read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def place(file: Path, directory: Path) -> str:
    """Where a study's file lies, seen from a run's directory, as `manifest.json` keeps it.

    Args:
        file: the file, or the name of the embedded study, which has none.
        directory: the run's.

    Examples:
        >>> import tempfile
        >>> here = Path(tempfile.mkdtemp())
        >>> _ = (here / "mine.py").write_text("")
        >>> place(here / "mine.py", here / "runs" / "mine"), place(Path("quickstart"), here)
        ('../../mine.py', 'quickstart')
    """
    if not file.exists():
        return str(file)
    return os.path.relpath(file.resolve(), directory.resolve())


def _other_file(directory: Path, file: Path) -> str | None:
    """The file of a run that a directory holds, if it is another one than the given.

    A file that has been moved or renamed since is no other, nor is a copy without a change.
    """
    known = _record(directory / "manifest.json").get("file")
    known = known or _record(directory / "risk_map.json").get("file")
    if not isinstance(known, str) or known == place(file, directory):
        return None
    there = directory / known
    if not there.is_file():
        return None if known.endswith(".py") else known
    if file.is_file() and filecmp.cmp(there, file, shallow=False):
        return None
    return os.path.relpath(there.resolve())


def check_kind(
    directory: Path, kind: Kind, study: str | None = None, file: Path | None = None
) -> None:
    """Refuses a directory in which a run would write over one of another kind, or other files.

    A run of another study is refused as well: its results would be lost. Studies differ by name,
    and those of one name by their files. A study that was changed is still the same.

    Args:
        directory: where the run goes.
        kind: what kind of run it is.
        study: the name of the study that is run or located, or of the audit; None without any.
        file: the file that defines it; None if there is none.

    Raises:
        ValueError: naming what is there.

    Examples:
        >>> import tempfile
        >>> here = Path(tempfile.mkdtemp())
        >>> check_kind(here, "study")
        >>> _ = (here / "audit.json").write_text("{}")
        >>> check_kind(here, "study")
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: ... holds an audit by canaries (`pptp canaries`), which a ...
    """
    there = kind_of(directory)
    if there == kind or (there in _TOGETHER and kind in _TOGETHER):
        other = _study_of(directory)
        if study is not None and other is not None and other != study:
            raise Refused(
                f"{directory} holds a run of the study {other!r}, which the study {study!r} would "
                "write over: give another directory, with --out"
            )
        if file is not None and (known := _other_file(directory, file)):
            raise Refused(
                f"{directory} holds a run of another study {other!r}, that of {known}, which the "
                f"one of {file} would write over: give another directory, with --out, or rename "
                "the study"
            )
        return
    own = _NAMES[kind].split(" (")[0]
    if there is not None:
        raise Refused(
            f"{directory} holds {_NAMES[there]}, which {own} would write over: give another "
            "directory, with --out"
        )
    if kind == "risk map":  # its files have names that only it gives
        return
    found = [name for name in _OURS if (directory / name).exists()]
    if found:
        raise Refused(
            f"{directory} holds no run, but {', '.join(found)}, which {own} would write over: give "
            "another directory, with --out"
        )
