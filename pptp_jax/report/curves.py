"""Accuracy over attack strength, one curve a defence."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pptp_jax.compare import frontier

# Okabe and Ito's palette, which colour-blind readers can tell apart; its yellow is too pale here.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
MARKERS = "osD^vP*X"


def draw_curves(
    curves: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    statistic: str = "auc",
    attack: str = "attack",
    title: str = "",
) -> Path | None:
    """Draws each curve's frontier with 95 % crosses, and the other points pale.

    Args:
        curves: what `Curve.to_json` gives.
        path: where the picture goes.
        statistic: what measures strength; rates are drawn on a logarithmic axis.
        attack: the attack's name, for the axis.
        title: of the figure.

    Returns:
        The picture's path; None if no point resolves the statistic.
    """
    figure = Figure(figsize=(9, 5), layout="constrained", dpi=150)
    axes = figure.subplots()
    drawn = [_draw(axes, i, curve, statistic) for i, curve in enumerate(curves)]
    if not any(drawn):
        return None
    if statistic.startswith("tpr@"):
        axes.set_xscale("log", nonpositive="mask")
        rate = 100 * float(statistic.removeprefix("tpr@"))
        axes.set_xlabel(f"{attack} TPR at {rate:g} % FPR ({rate:g} %: nothing leaks)")
    else:
        axes.set_xlabel(f"{attack} {statistic.upper()} (0.5: nothing leaks)")
    axes.set_ylabel("test accuracy")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", fontsize="small", frameon=False)
    figure.savefig(path)
    return path


def _draw(axes: Axes, i: int, curve: Mapping[str, Any], statistic: str) -> bool:
    """Whether there was anything to draw."""
    points = [
        (point[statistic], point["accuracy"])
        for point in curve["points"]
        if point.get(statistic, {}).get("value") is not None
        and point["accuracy"]["value"] is not None
    ]
    if not points:
        return False
    (x, x_errors), (y, y_errors) = map(_with_errors, zip(*points, strict=True))
    chosen = frontier(x, y)
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
        # A second round of the colours is told by its dashes.
        linestyle="-" if i < len(COLOURS) else "--",
        elinewidth=0.6,
        **look,
    )
    return True


def _with_errors(estimates: Sequence[Mapping[str, float]]) -> tuple[np.ndarray, np.ndarray]:
    values, low, high = (np.array([e[end] for e in estimates]) for end in ("value", "low", "high"))
    return values, np.maximum([values - low, high - values], 0)
