"""The figures of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.results import RecipeResult, RunResults
from pptp_jax.metrics import Roc, auc, roc
from pptp_jax.report.curves import draw_curves

ROC_FROM = 1e-4
CURVES = {"auc": "utility_over_auc.png", "tpr@0.001": "utility_over_tpr.png"}


def draw_figures(results: RunResults, out: Path) -> list[Path]:
    """Draws utility over attack strength, and the ROCs on log axes, for the compared attack.

    Args:
        results: of a run.
        out: the run's directory, which holds the scores, and where the figures go.

    Returns:
        The pictures' paths; none for a run that this attack had nothing to say of.
    """
    attack = results.compared
    name = attack_name(attack)
    paths = [
        draw_curves(
            results.curves,
            out / file,
            statistic=statistic,
            attack=name,
            title=f"{results.study}: {results.utility_name} over attack strength",
            measure=results.measure,
        )
        for statistic, file in CURVES.items()
    ]
    rows = [row for row in results.rows if _shown(row, attack)]
    if rows:
        paths.append(_draw_rocs(rows, attack, out, f"{results.study}: {name}"))
    return [path for path in paths if path is not None]


def _shown(row: RecipeResult, attack: str) -> bool:
    return row.attack(attack).auc.value is not None and row.utility.value is not None


def _draw_rocs(rows: Sequence[RecipeResult], attack: str, out: Path, title: str) -> Path:
    curves = {}
    for row in rows:
        with np.load(out / "scores" / f"{row.slug}.npz") as scores:
            curves[row.slug.replace("_", " ")] = roc(scores[attack], scores["membership"])
    return draw_rocs(curves, out / "roc.png", title)


def draw_rocs(curves: Mapping[str, Roc], path: Path, title: str) -> Path:
    """Draws ROCs on log axes, each with its name and AUC."""
    figure = Figure(figsize=(9, 5), layout="constrained", dpi=150)
    axes = figure.subplots()
    for i, (name, curve) in enumerate(curves.items()):
        label = f"{name} (AUC {auc(curve):.3f})"
        colour = matplotlib.colormaps["tab20"](i % 20)
        axes.plot(curve.fpr, curve.tpr, label=label, linewidth=1.2, color=colour)
    chance = np.geomspace(ROC_FROM, 1)
    axes.plot(chance, chance, color="grey", linestyle=":", linewidth=1, label="chance")
    axes.set(xscale="log", yscale="log", xlim=(ROC_FROM, 1), ylim=(ROC_FROM, 1.05))
    axes.set(xlabel="false-positive rate", ylabel="true-positive rate", title=title)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", fontsize="small", frameon=False)
    figure.savefig(path)
    return path
