"""The figures of a run."""

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pptp_jax.metrics import auc, roc

ROC_FROM = 1e-4
MARKERS = "osD^vP*X<>"


def draw_figures(results: Mapping[str, Any], out: Path, attack: str = "lira_online") -> list[Path]:
    """Draws accuracy over attack AUC, and the ROCs on log axes.

    Args:
        results: the content of `results.json`.
        out: the run's directory, which holds the scores, and where the figures go.
        attack: the attack that is shown.

    Returns:
        The pictures' paths; none for a run that this attack had nothing to say of.
    """
    rows = [row for row in results["rows"] if _shown(row, attack)]
    if not rows:
        return []
    title = f"{results['study']}: {attack.replace('_', ' ')}"
    paths = [out / "accuracy_over_auc.png", out / "roc.png"]
    for path, draw in zip(paths, (_accuracy_over_auc, _rocs), strict=True):
        figure = Figure(figsize=(9, 5), layout="constrained", dpi=150)
        axes = figure.subplots()
        draw(axes, rows, attack, out)
        axes.set_title(title)
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right center", fontsize="small", frameon=False)
        figure.savefig(path)
    return paths


def _shown(row: Mapping[str, Any], attack: str) -> bool:
    known = row["attacks"].get(attack, {}).get("auc", {})
    return known.get("value") is not None and row["test_accuracy"]["value"] is not None


def _method(row: Mapping[str, Any]) -> str:
    region = "" if row["region"] == "-" else f" {row['region']}"
    return row["recipe"].replace("_", " ") + region


def _accuracy_over_auc(axes: Axes, rows: list[Mapping[str, Any]], attack: str, out: Path) -> None:
    """A method's points are joined in the order of the attack's success."""
    ordered = sorted(rows, key=_method)
    for i, (method, group) in enumerate(groupby(ordered, key=_method)):
        points = sorted(
            ((row["attacks"][attack]["auc"], row["test_accuracy"]) for row in group),
            key=lambda point: point[0]["value"],
        )
        (x, xerr), (y, yerr) = map(_with_errors, zip(*points, strict=True))
        axes.errorbar(
            x,
            y,
            yerr,
            xerr,
            label=method,
            marker=MARKERS[i % len(MARKERS)],
            markersize=5,
            linewidth=1,
            elinewidth=0.7,
            color=_colour(i),
        )
    axes.set_xlabel("attack AUC (0.5: nothing leaks)")
    axes.set_ylabel("test accuracy")


def _with_errors(estimates: tuple[Mapping[str, float], ...]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([e["value"] for e in estimates])
    low, high = (np.array([e[side] for e in estimates]) for side in ("low", "high"))
    return values, np.maximum([values - low, high - values], 0)


def _rocs(axes: Axes, rows: list[Mapping[str, Any]], attack: str, out: Path) -> None:
    for i, row in enumerate(rows):
        with np.load(out / "scores" / f"{row['slug']}.npz") as scores:
            curve = roc(scores[attack], scores["membership"])
        label = f"{row['slug'].replace('_', ' ')} (AUC {auc(curve):.3f})"
        axes.plot(curve.fpr, curve.tpr, label=label, linewidth=1.2, color=_colour(i))
    chance = np.geomspace(ROC_FROM, 1)
    axes.plot(chance, chance, color="grey", linestyle=":", linewidth=1, label="chance")
    axes.set(xscale="log", yscale="log", xlim=(ROC_FROM, 1), ylim=(ROC_FROM, 1.05))
    axes.set_xlabel("false-positive rate")
    axes.set_ylabel("true-positive rate")


def _colour(i: int) -> tuple[float, ...]:
    return matplotlib.colormaps["tab20"](i % 20)
