"""How have ratios changed? What `--keep` has stored in benchmarks/results, over its dates.

Each benchmark on each machine has a table: its ratios (rows of the unit x) by date, with their
quartiles. Runs with other arguments (`--quick`) answer another question and stand apart. Later runs
of one date are marked #2, #3 and so on.

    python benchmarks/history.py [--plot FILE.png] [--benchmark NAME ...] [--row TEXT]
        [--results DIR]

`--plot` draws them, a panel for each table, with quartiles as bars.
"""

import argparse
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from rows import RESULTS, Row

RATIO = "x"
KINDS = {"benchmark": str, "arguments": list, "date": str, "machine": dict, "rows": list}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One stored run of a benchmark.

    Attributes:
        series: the benchmark with its arguments, and the machine: runs that can be compared.
        day: its date.
        rows: its figures.
    """

    series: str
    day: date
    rows: tuple[Row, ...]


def read(path: Path) -> Run:
    """Reads a stored run.

    Raises:
        SystemExit: naming the file and what is wrong with it.
    """

    def refuse(why: object) -> SystemExit:
        return SystemExit(
            f"{path} is no stored run of a benchmark: {why}. `--keep` writes an object with "
            "benchmark, date, machine and rows; move other files out of this folder"
        )

    try:
        record = json.loads(path.read_text())
    except OSError as error:
        raise refuse(error.strerror) from error
    except ValueError as error:
        raise refuse(f"it is no JSON ({error})") from error
    if not isinstance(record, dict):
        raise refuse(f"it holds a {type(record).__name__} and no object")
    record.setdefault("arguments", [])
    for key, kind in KINDS.items():
        if not isinstance(record.get(key), kind):
            raise refuse(f"{key} is {record.get(key, 'missing')!r} and no {kind.__name__}")
    try:
        day = date.fromisoformat(record["date"][:10])
    except ValueError as error:
        raise refuse(f"its date is {record['date']!r} and not as 2026-11-27") from error
    words = [record["benchmark"], *map(str, record["arguments"])]
    return Run(
        series=f"{' '.join(words)} on {_place(record['machine'])}",
        day=day,
        rows=tuple(_row(row, refuse) for row in record["rows"]),
    )


def _row(row: Any, refuse: Any) -> Row:
    names = {field.name: field.type for field in fields(Row)}
    if not isinstance(row, dict) or set(row) != set(names):
        raise refuse(f"a row has {', '.join(names)}, and one is {row!r:.200}")
    for name, kind in names.items():
        wanted = (int, float) if kind is float else str
        if not isinstance(row[name], wanted) or isinstance(row[name], bool):
            raise refuse(f"the {name} of a row is {row[name]!r}")
    found = Row(**row)
    if not found.low <= found.value <= found.high:
        raise refuse(f"{found.value} is not between the quartiles {found.low} and {found.high}")
    return found


def _place(machine: Mapping[str, Any]) -> str:
    device, processor = (machine.get(key) for key in ("device", "processor"))
    kind = device if device not in (None, "cpu") else processor or device or "an unknown device"
    return f"{kind}, {machine.get('cores', 'unknown')} cores"


def stored(directory: Path) -> list[Run]:
    """All runs in a directory, by date and name.

    Raises:
        SystemExit: if there are none, or a file is no stored run.
    """
    paths = sorted(directory.glob("*.json"), key=lambda path: path.stem)
    if not paths:
        raise SystemExit(f"{directory} has no stored runs: run a benchmark with --keep")
    return sorted(map(read, paths), key=lambda run: run.day)


def history(runs: Iterable[Run], text: str = "") -> dict[str, dict[str, dict[str, Row]]]:
    """The ratios of runs, by series, row and date.

    Args:
        runs: in the order of their dates.
        text: what the name of a row must contain.
    """
    found: dict[str, dict[str, dict[str, Row]]] = {}
    days: dict[tuple[str, date], int] = {}
    for run in runs:
        key = run.series, run.day
        days[key] = days.get(key, 0) + 1
        when = run.day.isoformat() + (f" #{days[key]}" if days[key] > 1 else "")
        for row in run.rows:
            if row.unit == RATIO and text in row.name:
                found.setdefault(run.series, {}).setdefault(row.name, {})[when] = row
    return found


def _days(series: Mapping[str, Mapping[str, Row]]) -> list[str]:
    return sorted({when for rows in series.values() for when in rows})


def table(series: Mapping[str, Mapping[str, Row]]) -> str:
    """The ratios of one series as a table of Markdown, dates side by side."""
    days = _days(series)
    lines = [f"| ratio | {' | '.join(days)} |", f"| --- {'| --- ' * len(days)}|"]
    for name, rows in series.items():
        cells = (_cell(rows[when]) if when in rows else "-" for when in days)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: Row) -> str:
    spread = f" [{row.low:.3g}, {row.high:.3g}]" if row.low < row.high else ""
    return f"{row.value:.3g}{spread}"


def draw(found: Mapping[str, Mapping[str, Mapping[str, Row]]], path: Path) -> None:
    """Draws each series in a panel of its own: a line for each ratio, quartiles as bars."""
    from matplotlib.figure import Figure

    tall = [max(3.0, 0.2 * len(series) + 1) for series in found.values()]
    figure = Figure(figsize=(12, sum(tall)), layout="constrained", dpi=100)
    panels = figure.subplots(len(found), 1, squeeze=False, height_ratios=tall)[:, 0]
    for axes, (title, series) in zip(panels, found.items(), strict=True):
        days = _days(series)
        for number, (name, rows) in enumerate(series.items()):
            shift = 0.3 * (number / max(len(series) - 1, 1) - 0.5)  # bars beside each other
            places = [days.index(when) + shift for when in rows]
            own = list(rows.values())
            bars = [[row.value - row.low for row in own], [row.high - row.value for row in own]]
            values = [row.value for row in own]
            axes.errorbar(places, values, yerr=bars, marker="o", markersize=3, label=name)
        axes.axhline(1, color="black", linewidth=0.5)
        if all(0 < row.low < math.inf for rows in series.values() for row in rows.values()):
            axes.set_yscale("log")
        axes.set_xticks(range(len(days)), days)
        axes.set_xlim(-0.5, len(days) - 0.5)
        axes.set_title(title, fontsize="medium")
        axes.set_ylabel("ratio")
        axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path)


def main(given: Sequence[str] | None = None) -> None:
    """Prints the tables, and draws them if a file is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plot", type=Path, metavar="FILE", help="where to draw them, as PNG")
    parser.add_argument("--benchmark", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--row", default="", metavar="TEXT", help="only rows that contain it")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    options = parser.parse_args(given)
    runs = stored(options.results)
    known = sorted({run.series.split()[0] for run in runs})
    for name in options.benchmark or ():
        if name not in known:
            parser.error(f"--benchmark {name}: stored are {', '.join(known)}")
    chosen = [run for run in runs if run.series.split()[0] in (options.benchmark or known)]
    found = history(chosen, options.row)
    if not found:
        parser.error(f"no stored ratio has {options.row!r} in its name")
    for title, series in found.items():
        print(f"{title}\n\n{table(series)}\n")
    if options.plot:
        try:
            draw(found, options.plot)
        except (OSError, ValueError) as error:
            parser.error(f"--plot {options.plot}: {error}")


if __name__ == "__main__":
    main()
