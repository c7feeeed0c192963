"""Shared by all benchmarks: interleaved timings, rows, and a command line."""

import argparse
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, its quartiles, and what it is to be compared with."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    baseline: str


class Table:
    """Rows that are printed as they come, and stored with their date and machine if nothing fails.

    Args:
        path: the file to store them in, `RESULTS` for a file there that is named by date, benchmark
            and machine, None for nowhere.
        packages: whose versions are shown first; with jax among them the device is shown too.
        benchmark: which benchmark this is; by default the name of the script that runs.
    """

    def __init__(self, path: Path | None, *packages: str, benchmark: str | None = None) -> None:
        self.path, self.rows = path, list[Row]()
        self.benchmark = Path(sys.argv[0]).stem if benchmark is None else benchmark
        self.machine = machine(*packages)
        shown = [f"{name} {number}" for name, number in self.machine["versions"].items()]
        shown[-1:] = [self.machine["device"]] * ("jax" in packages) + shown[-1:]
        shown[-1:-1] = [f"{self.machine['cores']} cores", self.machine["processor"]]
        print(", ".join(shown), flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None and self.path:
            path = kept(self.benchmark, self.machine) if self.path == RESULTS else self.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self.record(), indent=1) + "\n")
            print(f"stored in {path}", flush=True)

    def record(self) -> dict[str, Any]:
        """What is stored, as `history.py` reads it."""
        return {
            "benchmark": self.benchmark,
            "arguments": arguments(sys.argv[1:]),
            "date": date.today().isoformat(),
            "machine": self.machine,
            "rows": [asdict(row) for row in self.rows],
        }

    def __call__(self, name: str, values: Any, unit: str = "x", baseline: str = "-") -> None:
        """Adds the median and the quartiles of some values, or the value of one."""
        low, value, high = map(float, np.percentile(values, [25, 50, 75]))
        row = Row(name=name, value=value, low=low, high=high, unit=unit, baseline=baseline)
        self.rows.append(row)
        spread = f" [{_short(low)}, {_short(high)}]" if low < high else ""
        print(f"{name:76} {_short(value):>9}{spread} {unit}", flush=True)


def machine(*packages: str) -> dict[str, Any]:
    """Where a benchmark runs: the device, the processor, cores, load and versions.

    The load is that of the last minute, in cores: figures of a busy machine are worth less.
    """
    versions = {name: version(name) for name in packages} | {"python": platform.python_version()}
    return {
        "device": jax.devices()[0].device_kind if "jax" in packages else "cpu",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "versions": versions,
    }


def _processor() -> str:
    """Its model, where the system names it, or else its kind."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] else platform.machine()


def arguments(given: Sequence[str]) -> list[str]:
    """What a command line says beside where rows are stored: other figures than without it."""
    left, found = list(given), []
    while left:
        word = left.pop(0)
        if word == "--json" and left and not left[0].startswith("-"):
            left.pop(0)
        elif word not in ("--json", "--keep") and not word.startswith("--json="):
            found.append(word)
    return found


def kept(benchmark: str, machine: Mapping[str, Any], results: Path = RESULTS) -> Path:
    """A file of its own in the directory of results: no earlier run is overwritten."""
    kind = machine["processor"] if machine["device"] == "cpu" else machine["device"]
    place = re.sub(r"[^a-z0-9]+", "-", f"{kind} {machine['cores']} cores".lower()).strip("-")
    stem = f"{date.today().isoformat()}-{benchmark}-{place}"
    names = (f"{stem}{'' if i == 1 else f'-run{i}'}.json" for i in count(1))
    return next(path for name in names if not (path := results / name).exists())


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def command(doc: str | None) -> argparse.ArgumentParser:
    """The command line of a benchmark with this docstring."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller; about a minute")
    stored = parser.add_mutually_exclusive_group()
    stored.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        nargs="?",
        const=RESULTS,
        help="where to store the rows; without FILE as --keep",
    )
    stored.add_argument(
        "--keep",
        dest="json",
        action="store_const",
        const=RESULTS,
        help="store them in benchmarks/results, for history.py",
    )
    return parser


def planned(compiled: jax.stages.Compiled) -> Any:
    """The memory that a program needs, as its compiler plans it."""
    return _analysed(compiled.memory_analysis())


def counted(program: jax.stages.Compiled | jax.stages.Lowered) -> Any:
    """What a program computes and moves, as XLA counts it."""
    return _analysed(program.cost_analysis())


def _analysed(analysis: Any) -> Any:
    if analysis is None:
        raise SystemExit("the compiler for this device does not analyse its programs")
    return analysis


def seconds(
    function: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> float:
    """The time until a function's result is there."""
    start = clock()
    jax.block_until_ready(function())
    return clock() - start


def in_turn(
    functions: Mapping[str, Callable[[], object]],
    repetitions: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, np.ndarray]:
    """The seconds of each function, time by time, after a warm-up.

    All run once before any runs again, and each time in the order opposite to the last, so that
    what a machine does besides hits all of them, and ratios of the same time can be trusted.
    """
    for function in functions.values():
        seconds(function)
    table = {name: np.zeros(repetitions) for name in functions}
    for i in range(repetitions):
        for name in list(functions)[:: 1 if i % 2 else -1]:
            table[name][i] = seconds(functions[name], clock)
    return table


def ratios(
    a: Callable[[], object],
    b: Callable[[], object],
    repetitions: int,
    clock: Callable[[], float] = time.perf_counter,
) -> np.ndarray:
    """The time of `a` over that of `b`, pair by pair."""
    times = in_turn({"a": a, "b": b}, repetitions, clock)
    return times["a"] / times["b"]
