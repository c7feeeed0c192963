"""The strength of attacks on a denoiser over its timesteps, as a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pptp_jax.report.curves import COLOURS
from pptp_jax.storage.files import write
from pptp_jax.validation import Refused


def draw_timesteps(
    curves: Mapping[str, Sequence[Mapping[str, Any]]], path: Path, *, title: str = ""
) -> Path:
    """Draws the area under the ROC curve over timesteps, one line an attack, with 95 % bands.

    Args:
        curves: what `pptp_jax.evaluation.by_timestep` gives: by attack, records of `timestep` and
            `auc`.
        path: where the picture goes.
        title: of the figure.

    Returns:
        The picture's path.

    Raises:
        ValueError: if there is no curve.

    Examples:
        >>> from tempfile import mkdtemp
        >>> point = {"timestep": 5, "auc": {"value": 0.6, "low": 0.5, "high": 0.7}}
        >>> draw_timesteps({"loss": [point]}, Path(mkdtemp()) / "timesteps.png").name
        'timesteps.png'
    """
    if not curves:
        raise Refused("there is no attack to draw over timesteps")
    figure = Figure(figsize=(6, 4), layout="constrained", dpi=100)
    axes = figure.subplots()
    plot_timesteps(axes, curves)
    axes.set_title(title, fontsize="medium")
    write(path, lambda file: figure.savefig(file, format="png"))
    return path


def plot_timesteps(axes: Axes, curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Draws the same into a figure that exists.

    Args:
        axes: where to.
        curves: as `draw_timesteps` takes them.
    """
    for number, (name, records) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        steps = [record["timestep"] for record in records]
        low, value, high = np.array(
            [[record["auc"][end] for end in ("low", "value", "high")] for record in records]
        ).T
        axes.plot(steps, value, color=colour, marker="o", markersize=3, label=name)
        axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.axhline(0.5, color="0.6", linewidth=1, linestyle=":")
    axes.set_xlabel("timestep (more noise to the right)")
    axes.set_ylabel("AUC")
    axes.legend(fontsize="small")
