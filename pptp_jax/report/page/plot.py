"""Figures as geometry: where everything lies in a picture, which the template then draws."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# One colour and, for those who see none, one shape and one dash each; the page gives the colours.
COLOURS = 8
SHAPES = (
    "M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z",  # circle
    "M-3.2-3.2h6.4v6.4h-6.4z",  # square
    "M0-4.6L4.6 0 0 4.6-4.6 0z",  # diamond
    "M0-4.4L4.2 3.2h-8.4z",  # triangle
    "M0 4.4L4.2-3.2h-8.4z",  # triangle, upside down
    "M-1.4-4.2h2.8v2.8h2.8v2.8h-2.8v2.8h-2.8v-2.8h-2.8v-2.8h2.8z",  # plus
    "M-4.4 0L3.2 4.2v-8.4z",  # triangle to the left
    "M4.4 0L-3.2 4.2v-8.4z",  # triangle to the right
)
DASHES = ("none", "6 2", "2 2", "8 2 2 2", "4 4", "1 2", "10 3", "6 2 2 2 2 2")


class Tick(NamedTuple):
    """A place on an axis, with what is written there."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Scale:
    """From numbers to places in the picture.

    Attributes:
        low: the number at the start.
        high: the number at the end.
        start: a place, in units of the picture.
        end: another place.
        log: whether equal ratios take equal space.
        percent: whether rates are written in per cent.
        whole: whether only integers are written.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    percent: bool = False
    whole: bool = False

    def __call__(self, value: float) -> float:
        """The place of a number; one that lies outside is put at the edge."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return round(self.start + (self.end - self.start) * (at - low) / (high - low), 1)

    def ticks(self) -> list[Tick]:
        """Every power of ten on a logarithmic axis, else a handful of round numbers."""
        if self.log:
            first, last = math.log10(self.low) - 1e-9, math.log10(self.high) + 1e-9
            powers = range(math.ceil(first), math.floor(last) + 1)
            values = [10.0**power for power in powers]
        else:
            values = _round_numbers(self.low, self.high, least=1.0 if self.whole else 0.0)
        return [Tick(self(value), self._written(value)) for value in values]

    def _written(self, value: float) -> str:
        if self.percent:
            return f"{100 * value:g} %"
        return f"{value:.12g}".replace("-", "−")


def _round_numbers(low: float, high: float, least: float, most: int = 6) -> list[float]:
    """The multiples of a round step of at least `least` between two numbers."""
    rough = max((high - low) / most, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def around(values: Iterable[float], least: float = 0.02) -> tuple[float, float]:
    """Ends of an axis that leave some room around the values.

    Args:
        values: what is drawn.
        least: the least length of the axis.
    """
    low, high = min(values := list(values)), max(values)
    room = max(0.06 * (high - low), (least - (high - low)) / 2)
    return low - room, high + room


class Line(NamedTuple):
    """A line through points, as SVG has them."""

    points: str
    style: int
    name: str = ""


class Area(NamedTuple):
    """A closed area between points, of one of the page's classes."""

    points: str
    kind: str


class Mark(NamedTuple):
    """A point, with its error bars as x, y pairs of line ends, and its text."""

    x: float
    y: float
    style: int
    name: str
    bars: tuple[tuple[float, float, float, float], ...] = ()
    pale: bool = False
    text: str = ""


class Entry(NamedTuple):
    """A line of the legend."""

    style: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A pair of axes and what is drawn between them.

    Attributes:
        title: what stands above.
        label: a description of the figure for screen readers.
        x: the scale of the x axis.
        y: the scale of the y axis.
        x_title: below the x axis.
        y_title: above the y axis.
        width: of the picture.
        height: of the picture.
        areas: drawn first.
        lines: drawn above the areas.
        marks: drawn on top.
        references: pale dotted lines for the eye.
        legend: which style is what.
        shapes: whether styles have shapes; else they have dashes.
        y_ticks: whether the y axis has numbers.
    """

    title: str
    label: str
    x: Scale
    y: Scale
    x_title: str
    y_title: str = ""
    width: int = 400
    height: int = 300
    areas: Sequence[Area] = ()
    lines: Sequence[Line] = ()
    marks: Sequence[Mark] = ()
    references: Sequence[str] = ()
    legend: Sequence[Entry] = ()
    shapes: bool = False
    y_ticks: bool = True


def points(x: Scale, y: Scale, xs: Iterable[float], ys: Iterable[float]) -> str:
    """Points as SVG has them."""
    return " ".join(f"{x(a):g},{y(b):g}" for a, b in zip(xs, ys, strict=True))


def steps(x: Scale, y: Scale, edges: Sequence[float], heights: Sequence[float]) -> str:
    """The outline of a histogram, closed along its foot."""
    xs = np.repeat(edges, 2)
    ys = [y.low, *np.repeat(heights, 2), y.low]
    return points(x, y, xs.tolist(), map(float, ys))
