"""Refuse to write over the report of other inputs."""

import filecmp
import json
import os
import shlex
from pathlib import Path

from pptp_jax.audit.audit_report import AuditReport
from pptp_jax.validation import Refused

# What a report is of; another value of any other option is the same report with other settings.
_FILES, _NAMES = ("--signals", "--membership"), ("--target", "--model")


def check_earlier_report(report: AuditReport) -> None:
    """Refuses a directory that holds the report of another file, target or model.

    Args:
        report: where the new one goes, and what a person typed for it; without a command, or a
            directory, nothing is refused.

    Raises:
        ValueError: naming the command of the report that is there.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> here = tempfile.mkdtemp()
        >>> known = '{"command": "pptp table a.csv --target ill"}'
        >>> _ = Path(here, "results.json").write_text(known)
        >>> check_earlier_report(AuditReport(here, "a", "pptp table a.csv --target ill --seed 1"))
        >>> check_earlier_report(AuditReport(here, "a", "pptp table a.csv --target age"))
        Traceback (most recent call last):
            ...
        pptp_jax.validation.Refused: ... holds the report of `pptp table a.csv --target ill`, ...
    """
    if report.directory is None or report.command is None:
        return
    try:
        known = json.loads((report.directory / "results.json").read_text())["command"]
        files, names = _inputs(known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return
    new_files, new_names = _inputs(report.command)
    try:
        manifest = json.loads((report.directory / "manifest.json").read_text())
        base = report.directory.resolve() / manifest["cwd"]
    except (OSError, ValueError, KeyError, TypeError):
        base = Path()
    pairs = zip(files, new_files, strict=False)
    if names != new_names or not all(_same(base / known, given) for known, given in pairs):
        raise Refused(
            f"{report.directory} holds the report of `{known}`, which this one would write over: "
            "give another directory, with --out"
        )


def _inputs(command: str) -> tuple[list[str], list[str]]:
    """The files of a command; its name, and the values of the options that name inputs."""
    words = shlex.split(command)

    def values(options: tuple[str, ...]) -> list[str]:
        return [words[words.index(one) + 1] for one in options if one in words]

    files = [*(word for word in words[2:3] if not word.startswith("--")), *values(_FILES)]
    return files, [words[1], *values(_NAMES)]


def _same(known: Path, given: str) -> bool:
    """Whether a file is the known one: a copy of it, or one that was moved or named elsewhere."""
    return not os.path.isfile(known) or filecmp.cmp(known, given, shallow=False)
