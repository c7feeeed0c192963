"""Remove the report of an earlier run from its directory."""

from pathlib import Path

# Written after `results.json`, from it.
_FILES = (
    "report.html",
    "report.json",
    "roc.png",
    "table.txt",
    "utility_over_auc.png",
    "utility_over_tpr.png",
)


def remove_report(directory: Path) -> None:
    """Removes it, so that a run which ends before its own report has none of other results.

    Args:
        directory: the run's.

    Examples:
        >>> import tempfile
        >>> here = Path(tempfile.mkdtemp())
        >>> for name in ("report.html", "mine.png"):
        ...     _ = (here / name).write_text("")
        >>> remove_report(here)
        >>> [path.name for path in here.iterdir()]
        ['mine.png']
    """
    for name in _FILES:
        (directory / name).unlink(missing_ok=True)
