"""The setting of a step, and its table, of which each row is written at once."""

import json
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rows import Table


class Skip(Exception):
    """A step cannot run here; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a step is run.

    Attributes:
        rehearse: in miniature, to see that it runs; its figures mean nothing.
        data: the `.npz` of images; None where none was given.
        emails: the folder of e-mails; None where none was given.
        network: the network of the step on images.
        out: the directory of a run that can go on; it need not be there yet.
        options: those of the step itself.
    """

    rehearse: bool
    data: Path | None
    emails: Path | None = None
    network: str
    out: Path
    options: tuple[str, ...]


class Recorder(Table):
    """Rows and notes, each written as a line of JSON before the next one is measured.

    Args:
        path: the file of lines, which is appended to.
        seconds: after which the step should begin nothing more.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(None)
        self._lines, self._end = path, time.monotonic() + seconds

    def __call__(self, name: str, values: Any, unit: str = "x", baseline: str = "-") -> None:
        """Adds the median and the quartiles; says so in a note where they are no numbers."""
        if not np.isfinite(values).all():
            self.note(f"{name}: not finite")
            return
        super().__call__(name, values, unit, baseline)
        self.line("row", asdict(self.rows[-1]))

    def note(self, text: str) -> None:
        """Adds a sentence to the step's notes."""
        print(f"note: {text}", flush=True)
        self.line("note", text)

    def line(self, kind: str, content: Any) -> None:
        """Writes a line."""
        with self._lines.open("a") as file:
            file.write(json.dumps({kind: content}) + "\n")

    @property
    def left(self) -> float:
        """The seconds in which something more may be begun; below 0 none."""
        return self._end - time.monotonic()


def needs(*modules: str) -> None:
    """Skips the step where one of these modules is missing."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise Skip(f"needs {', '.join(missing)}, which is not installed here")


def short(error: BaseException) -> str:
    """An error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]
