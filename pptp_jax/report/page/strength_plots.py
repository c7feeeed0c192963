"""Utility over attack strength: a line for each defence, its settings as points."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation import Measure, frontier
from pptp_jax.evaluation.results import RunResults
from pptp_jax.report.curves import Known, panels, resolved
from pptp_jax.report.page.plot import COLOURS, Entry, Line, Mark, Plot, Scale, around, points
from pptp_jax.report.page.words import metric_name, number

Pairs = list[tuple[Known, Known]]


class _Axes(NamedTuple):
    """The two scales, and what they are of."""

    x: Scale
    y: Scale
    statistic: str
    measure: Measure


def strength_plots(results: RunResults, statistic: str) -> list[Plot]:
    """Utility over the strength of the compared attack, a picture for each family of defences.

    Args:
        results: of a run.
        statistic: what measures strength; rates get a logarithmic axis.
    """
    curves = [c for c in results.curves if resolved(c["points"], statistic)]
    if not curves:
        return []
    pairs = [pair for curve in curves for pair in resolved(curve["points"], statistic)]
    x, nothing = _strengths(pairs, statistic)
    ends = around([end for _, utility in pairs for end in (utility.low, utility.high)])
    y = Scale(low=ends[0], high=ends[1], start=256, end=26)
    strength = f"{metric_name(statistic)} of {attack_name(results.compared)}"
    measure = results.measure
    axes = _Axes(x, y, statistic, measure)
    groups = [
        [own[0], *own[i : i + COLOURS - 1]]
        for own in panels(curves)
        for i in range(1, max(len(own), 2), COLOURS - 1)
    ]
    return [
        Plot(
            title=_family(own) if len(groups) > 1 else "",
            label=f"Test {measure.name} over {strength}. " + " ".join(_ranges(own, axes)),
            x=x,
            y=y,
            x_title=strength + (" (log scale)" if x.log else ""),
            y_title=f"test {measure.name}",
            lines=[_line(axes, i, curve) for i, curve in enumerate(own)],
            marks=[mark for i, curve in enumerate(own) for mark in _marks(axes, i, curve)],
            references=[f"M{x(nothing)} {y.start}V{y.end}"] if nothing >= x.low else [],
            legend=[Entry(i, curve["name"]) for i, curve in enumerate(own)],
            shapes=True,
        )
        for own in groups
    ]


def _strengths(pairs: Pairs, statistic: str) -> tuple[Scale, float]:
    """The axis of the strengths, and the strength at which nothing leaks."""
    values = [strength.value for strength, _ in pairs]
    if not statistic.startswith("tpr@"):
        low, high = around(values)
        return Scale(low=low, high=high, start=48, end=388), 0.5
    nothing = float(statistic.removeprefix("tpr@"))
    seen = [nothing, *(value for value in values if value > 0)]
    low, high = min(seen) / 1.5, max(seen) * 1.5
    return Scale(low=low, high=high, start=48, end=388, log=True, percent=True), nothing


def _chosen(pairs: Pairs, measure: Measure) -> list[int]:
    """The places of the settings on the frontier, from the least strength up."""
    values = np.array([[found.value for found in pair] for pair in pairs])
    return frontier(values[:, 0], measure.sign * values[:, 1]).tolist()


def _line(axes: _Axes, style: int, curve: Mapping[str, Any]) -> Line:
    x, y, statistic, measure = axes
    pairs = resolved(curve["points"], statistic)
    way = [pairs[j] for j in _chosen(pairs, measure)]
    places = points(x, y, (s.value for s, _ in way), (u.value for _, u in way))
    return Line(places, style, curve["name"])


def _marks(axes: _Axes, style: int, curve: Mapping[str, Any]) -> Sequence[Mark]:
    """A curve's settings: those on the frontier with their intervals, the others pale."""
    x, y, statistic, measure = axes
    known = [point for point in curve["points"] if resolved([point], statistic)]
    pairs = resolved(known, statistic)
    chosen, marks = set(_chosen(pairs, measure)), []
    for j, (point, (strength, utility)) in enumerate(zip(known, pairs, strict=True)):
        at_x, at_y = x(strength.value), y(utility.value)
        bars = (
            (x(strength.low), at_y, x(strength.high), at_y),
            (at_x, y(utility.low), at_x, y(utility.high)),
        )
        digits = 4 if x.log else 3
        told = (
            f"{point['label']}: {measure.name} {number(utility.value)}, "
            f"{metric_name(statistic)} {number(strength.value, digits)}"
        )
        on_it = j in chosen
        marks.append(Mark(at_x, at_y, style, told, bars if on_it else (), pale=not on_it))
    return sorted(marks, key=lambda mark: not mark.pale)


def _family(own: Sequence[Mapping[str, Any]]) -> str:
    """What the curves beside the control have in common: their defence."""
    name = str(own[-1]["name"])
    return name[name.rindex("(") + 1 : -1] if name.endswith(")") else "no defence objective"


def _ranges(own: Sequence[Mapping[str, Any]], axes: _Axes) -> Sequence[str]:
    told = []
    for curve in own:
        strengths, utilities = zip(*resolved(curve["points"], axes.statistic), strict=True)
        least, most = (f(s.value for s in strengths) for f in (min, max))
        low, high = (f(u.value for u in utilities) for f in (min, max))
        told.append(
            f"{curve['name']}: {axes.measure.name} from {number(low)} to {number(high)}, strength "
            f"from {number(least)} to {number(most)}."
        )
    return told
