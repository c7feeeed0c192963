"""Utility over attack strength, one curve a defence."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pptp_jax.evaluation import Measure, frontier
from pptp_jax.evaluation.measure import ACCURACY
from pptp_jax.evaluation.schema import typed
from pptp_jax.metrics import UNRESOLVED

# Okabe and Ito's palette, which colour-blind readers can tell apart; its yellow is too pale here.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
MARKERS = "osD^vP*X"


class Known(NamedTuple):
    """An estimate that is resolved."""

    value: float
    low: float
    high: float


def draw_curves(
    curves: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    statistic: str = "auc",
    attack: str = "attack",
    title: str = "",
    measure: Measure = ACCURACY,
) -> Path | None:
    """Draws each curve's frontier with 95 % crosses, and the other points pale.

    Args:
        curves: what `Curve.to_json` gives.
        path: where the picture goes.
        statistic: what measures strength; rates are drawn on a logarithmic axis.
        attack: the attack's name, for the axis.
        title: of the figure.
        measure: what the utility is.

    Returns:
        The picture's path; None if no point resolves the statistic.
    """
    curves = typed(curves)
    shown = [curve for curve in curves if any(resolved(curve["points"], statistic))]
    if not shown:
        return None
    groups = panels(shown)
    wide = min(len(groups), 2)
    tall = -(-len(groups) // wide)
    figure = Figure(figsize=(2 + 5 * wide, 0.5 + 4.5 * tall), layout="constrained", dpi=150)
    figure.suptitle(title)
    grid = figure.subplots(tall, wide, squeeze=False).ravel()
    for axes, own in zip(grid, groups, strict=False):
        for i, curve in enumerate(own):
            _draw(axes, i, curve, statistic, measure)
        _label(axes, statistic, attack, measure)
    for axes in grid[len(groups) :]:
        axes.remove()
    figure.savefig(path)
    return path


def panels(curves: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The curves of each pair of axes: a defence and all that is made of it, beside the first.

    The defence stands in brackets at the end of a name. The first curve is the control.
    """
    if len(curves) <= len(COLOURS):
        return [list(curves)]
    control, *others = curves
    families: dict[str, list[Mapping[str, Any]]] = {}
    for curve in others:
        name = str(curve["name"])
        defence = name[name.rindex("(") :] if name.endswith(")") else ""
        families.setdefault(defence, [control]).append(curve)
    return list(families.values())


def _label(axes: Axes, statistic: str, attack: str, measure: Measure) -> None:
    if statistic.startswith("tpr@"):
        axes.set_xscale("log", nonpositive="mask")
        rate = 100 * float(statistic.removeprefix("tpr@"))
        axes.set_xlabel(f"{attack} TPR at {rate:g} % FPR ({rate:g} %: nothing leaks)")
    else:
        axes.set_xlabel(f"{attack} {statistic.upper()} (0.5: nothing leaks)")
    axes.set_ylabel(f"test {measure.name}")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize="x-small", framealpha=0.8)


def resolved(points: Sequence[Mapping[str, Any]], statistic: str) -> list[tuple[Known, Known]]:
    """The points of which both numbers are known: strength, utility."""
    return [
        (Known(*point[statistic]), Known(*point["utility"]))
        for point in points
        if point.get(statistic, UNRESOLVED).value is not None and point["utility"].value is not None
    ]


def _draw(axes: Axes, i: int, curve: Mapping[str, Any], statistic: str, measure: Measure) -> None:
    pairs = zip(*resolved(curve["points"], statistic), strict=True)
    (x, x_errors), (y, y_errors) = map(_with_errors, pairs)
    chosen = frontier(x, measure.sign * y)
    look: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
    rest = np.setdiff1d(np.arange(len(x)), chosen)
    axes.scatter(x[rest], y[rest], s=20, alpha=0.5, linewidths=0, **look)
    axes.errorbar(
        x[chosen],
        y[chosen],
        y_errors[:, chosen],
        x_errors[:, chosen],
        label=curve["name"],
        markersize=5,
        linewidth=1.6,
        # Dashes mark the second round of the colours.
        linestyle="-" if i < len(COLOURS) else "--",
        elinewidth=0.6,
        **look,
    )


def _with_errors(estimates: Sequence[Known]) -> tuple[np.ndarray, np.ndarray]:
    values, low, high = np.array(estimates, float).T
    return values, np.maximum([values - low, high - values], 0)
