"""The risk map: what each block carries, and what each cut brings and costs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.risk import ATTACK, DECISIVE
from pptp_jax.report.page.plot import Entry, Line, Mark, Plot, Scale, around, points
from pptp_jax.report.page.words import number
from pptp_jax.report.risk_table import WAYS

Change = Mapping[str, float | None]


class Bars(NamedTuple):
    """A row of a bar chart: of a block, the falls of the AUC and of the accuracy as rectangles.

    Attributes:
        name: of the block.
        y: where the row begins.
        falls: kind, x, width, and x of both ends of the interval; what is unknown is missing.
        told: the numbers as text.
    """

    name: str
    y: int
    falls: list[tuple[str, float, float, float, float]]
    told: str


class BarChart(NamedTuple):
    """The blocks one below the other under one modification."""

    title: str
    label: str
    x: Scale
    rows: list[Bars]
    height: int


def bar_charts(risks: Mapping[str, Any]) -> list[BarChart]:
    """A chart for each modification, all on one scale.

    Args:
        risks: the content of `risk_map.json`.
    """
    blocks = risks["blocks"]
    ways = [way for way in WAYS if way in blocks[0]["changes"]]
    parts = [part for way in ways for block in blocks for part in _parts(block["changes"][way])]
    ends = [end for _, part in parts for end in (part["low"], part["high"]) if end is not None]
    low, high = around([0.0, *(-end for end in ends)])
    widest = max(len(block["name"]) for block in blocks)
    x = Scale(low=low, high=high, start=min(16 + 7 * widest, 140), end=384)
    charts = []
    for way in ways:
        rows = [_bars(x, i, block["name"], block["changes"][way]) for i, block in enumerate(blocks)]
        label = f"Blocks {WAYS[way]}. " + " ".join(f"{row.name}: {row.told}." for row in rows)
        charts.append(BarChart(WAYS[way], label, x, rows, 30 * len(rows)))
    return charts


def _parts(change: Mapping[str, Any]) -> list[tuple[str, Change]]:
    return [("privacy", change["auc"][ATTACK]), ("accuracy", change["accuracy"])]


def _bars(x: Scale, i: int, name: str, change: Mapping[str, Any]) -> Bars:
    falls, told = [], []
    for kind, part in _parts(change):
        value, low, high = part["value"], part["low"], part["high"]
        what = "AUC" if kind == "privacy" else "accuracy"
        told.append(f"{what} falls by {number(None if value is None else -value)}")
        if value is not None and low is not None and high is not None:
            left, right = sorted((x(0), x(-value)))
            falls.append((kind, left, round(right - left, 1), x(-high), x(-low)))
    return Bars(name, 30 * i, falls, ", ".join(told))


def cut_plot(risks: Mapping[str, Any]) -> Plot | None:
    """What each cut brings over what it costs; the number at a point is that of its blocks."""
    order = [block["name"] for block in risks["blocks"]]
    found = {tuple(cut["blocks"]): _fall(cut) for cut in risks["cuts"]}
    falls = {blocks: fall for blocks, fall in found.items() if fall is not None}
    if not falls:
        return None
    x_ends = around([0.0, *(fall[0] for fall in falls.values())])
    y_ends = around([0.0, *(fall[1] for fall in falls.values())])
    x = Scale(low=x_ends[0], high=x_ends[1], start=52, end=388)
    y = Scale(low=y_ends[0], high=y_ends[1], start=256, end=26)
    lines, marks = [], []
    for style, (label, end) in enumerate((("first", order[0]), ("last", order[-1]))):
        own = [(blocks, fall) for blocks, fall in falls.items() if end in blocks]
        places = points(x, y, (fall[0] for _, fall in own), (fall[1] for _, fall in own))
        lines.append(Line(places, style, f"the {label} blocks"))
        for blocks, (cost, gain) in own:
            told = f"{', '.join(blocks)}: accuracy falls by {number(cost)}, AUC by {number(gain)}"
            marks.append(Mark(x(cost), y(gain), style, told, text=str(len(blocks))))
    return Plot(
        title="",
        label="What each cut brings over what it costs. " + " ".join(m.name + "." for m in marks),
        x=x,
        y=y,
        x_title="fall of the test accuracy (what it costs)",
        y_title=f"fall of the AUC of {attack_name(ATTACK)} (what it brings)",
        lines=lines,
        marks=marks,
        references=[f"M{x(0)} {y.start}V{y.end}", f"M{x.start} {y(0)}H{x.end}"],
        legend=[Entry(0, "the first 1, 2, … blocks"), Entry(1, "the last 1, 2, … blocks")],
        shapes=True,
    )


def _fall(cut: Mapping[str, Any]) -> tuple[float, float] | None:
    """By how much accuracy and AUC fall; None if one of them is not known."""
    change = cut["changes"][DECISIVE]
    cost, gain = change["accuracy"]["value"], change["auc"][ATTACK]["value"]
    return None if cost is None or gain is None else (-cost, -gain)
