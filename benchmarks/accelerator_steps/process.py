"""A step in a process group of its own, which is ended in time; standard library alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass
class Outcome:
    """What a step has left.

    Attributes:
        rows: its rows.
        notes: its notes.
        machine: what it found out about the machine.
        skipped: why it did not run, or not to its end; None where it did.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)
    skipped: str | None = None


def environment(rehearse: bool) -> dict[str, str]:
    """That of a step: the library and the benchmarks are found, memory is taken as it is needed."""
    paths = [str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")]
    found = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths)))
    found.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if rehearse:  # programs that run once: the compiler's last passes cost more than they save
        flags = found.get("XLA_FLAGS", "")
        found["XLA_FLAGS"] = f"{flags} --xla_backend_optimization_level=0".strip()
        found["JAX_PLATFORMS"] = "cpu"
    return found


def run(command: Sequence[str], lines: Path, seconds: float, env: dict[str, str]) -> Outcome:
    """Runs a command for at most so long, then ends it with all processes that it has started.

    Args:
        command: what is run; it appends its rows and notes to `lines`.
        lines: the file of lines; a new one.
        seconds: after which it is killed.
        env: its environment.

    Returns:
        What it had written, if it was killed as well.
    """
    errors = lines.with_suffix(".err")
    with errors.open("wb") as err:
        process = subprocess.Popen(
            command, env=env, cwd=ROOT, stderr=err, stdin=subprocess.DEVNULL, start_new_session=True
        )
        late = False
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            late = True
        finally:  # on an interrupt as well, and for what a step that ended has left running
            end(process)
    found = read(lines)
    if late:
        found.skipped = f"stopped after {seconds:.0f} s with {len(found.rows)} rows"
    elif process.returncode and found.skipped is None:
        found.skipped = f"ended with status {process.returncode}; {last(errors)}"
    if found.skipped and process.returncode:
        sys.stderr.write(errors.read_text(errors="replace")[-3000:])
    return found


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kills a process and its group; a driver that does not let go is not waited for."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        print(f"process {process.pid} does not end", flush=True)


def read(lines: Path) -> Outcome:
    """What a step has written; a line that it was killed in does not count."""
    found = Outcome()
    for line in lines.read_text().splitlines() if lines.exists() else []:
        try:
            [(kind, content)] = json.loads(line).items()
        except ValueError:
            continue
        if kind == "row":
            found.rows.append(content)
        elif kind == "note":
            found.notes.append(content)
        elif kind == "machine":
            found.machine = content
        elif kind == "skipped":
            found.skipped = content
    return found


def last(errors: Path) -> str:
    """The last line of what was said on standard error."""
    said = errors.read_text(errors="replace").strip().splitlines()
    return said[-1][:300] if said else "it said nothing"
