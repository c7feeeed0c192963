"""What all benchmarks share: times taken in turn, rows, and a command line."""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np


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
    """Rows that are printed as they come, and stored if nothing fails.

    Args:
        path: where to store them; None for nowhere.
        packages: whose versions are told first; with jax among them the device is told too.
    """

    def __init__(self, path: Path | None, *packages: str) -> None:
        self.path, self.rows = path, list[Row]()
        told = [f"{name} {version(name)}" for name in packages]
        if "jax" in packages:
            told.append(jax.devices()[0].device_kind)
        told += [f"{os.cpu_count()} cores", platform.machine()]
        print(", ".join([*told, f"python {platform.python_version()}"]), flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None and self.path:
            self.path.write_text(json.dumps([asdict(row) for row in self.rows], indent=1) + "\n")

    def __call__(self, name: str, values: Any, unit: str = "x", baseline: str = "-") -> None:
        """Adds the median and the quartiles of some values, or the value of one."""
        low, value, high = map(float, np.percentile(values, [25, 50, 75]))
        row = Row(name=name, value=value, low=low, high=high, unit=unit, baseline=baseline)
        self.rows.append(row)
        spread = f" [{_short(low)}, {_short(high)}]" if low < high else ""
        print(f"{name:76} {_short(value):>9}{spread} {unit}", flush=True)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def command(doc: str | None) -> argparse.ArgumentParser:
    """The command line of a benchmark with this docstring."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller; about a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to store the rows")
    return parser


def planned(compiled: jax.stages.Compiled) -> Any:
    """The memory that a program needs, as its compiler plans it."""
    return _told(compiled.memory_analysis())


def counted(program: jax.stages.Compiled | jax.stages.Lowered) -> Any:
    """What a program computes and moves, as XLA counts it."""
    return _told(program.cost_analysis())


def _told(analysis: Any) -> Any:
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
