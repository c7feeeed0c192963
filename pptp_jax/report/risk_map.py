"""The figure of a risk map: the network from left to right, and what each part of it carries."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from pptp_jax.evaluation.risk import ATTACK, DECISIVE
from pptp_jax.report.risk_table import ATTACKS, WAYS

# Blue and vermilion of Okabe and Ito, which colour-blind readers tell apart.
PRIVACY, GENERALISATION, NEUTRAL = "#0072B2", "#D55E00", "#555555"
SHADES = "cividis_r"
BOX = 0.78


def draw_risk_map(
    risks: Mapping[str, Any],
    to: Path | BinaryIO,
    *,
    by: str = DECISIVE,
    attack: str = ATTACK,
) -> None:
    """Draws the blocks with their scores, and beside them the cuts.

    Args:
        risks: the content of `risk_map.json`.
        to: where the picture goes: a path, or a file open for writing.
        by: the modification behind the colours of the boxes and the points of the cuts.
        attack: the attack behind the privacy score.
    """
    ways = [way for way in WAYS if way in risks["blocks"][0]["changes"]]
    blocks = len(risks["blocks"])
    wide = max(7.0, 1.0 * blocks)
    figure = Figure(figsize=(wide + 6.2, 2.6 + 1.6 * len(ways)), layout="constrained", dpi=150)
    left, right = figure.subfigures(1, 2, width_ratios=(wide, 6.2), squeeze=False)[0]
    axes = left.subplots(1 + len(ways), sharex=True, height_ratios=(0.9, *[1] * len(ways)))
    _network(axes[0], risks, by, attack)
    for axis, way in zip(axes[1:], ways, strict=True):
        _bars(axis, risks["blocks"], way, attack)
    low = min(axis.get_ylim()[0] for axis in axes[1:])
    high = max(axis.get_ylim()[1] for axis in axes[1:])
    for axis in axes[1:]:
        axis.set_ylim(low, high)
    axes[-1].set_xticks(range(blocks), [block["name"] for block in risks["blocks"]])
    _cuts(right.subplots(), risks, by, attack)
    for side in (left, right):
        handles, labels = side.axes[-1].get_legend_handles_labels()
        side.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=3,
            fontsize="small",
            frameon=False,
            markerscale=0.6,
        )
    figure.savefig(to, format="png")


def _network(axis: Axes, risks: Mapping[str, Any], by: str, attack: str) -> None:
    """Draws a row of boxes, joined by arrows, darker where more privacy is to be won."""
    drops = [_drop(block["changes"][by]["auc"][attack]) for block in risks["blocks"]]
    scale = Normalize(0, max([0.01, *(drop for drop in drops if drop is not None)]))
    shades = ScalarMappable(scale, SHADES)
    for i, (block, drop) in enumerate(zip(risks["blocks"], drops, strict=True)):
        colour = "white" if drop is None else shades.to_rgba(np.array(max(drop, 0.0)))
        box = FancyBboxPatch(
            (i - BOX / 2, 0.1),
            BOX,
            0.8,
            boxstyle="round,pad=0,rounding_size=0.07",
            mutation_aspect=1.6,
            facecolor=colour,
            edgecolor=NEUTRAL,
        )
        axis.add_patch(box)
        dark = np.dot(box.get_facecolor()[:3], (0.299, 0.587, 0.114)) < 0.5
        text = f"{block['name']}\n{_short(block['parameters'])}\n{_signed(drop)}"
        axis.text(
            i, 0.5, text, ha="center", va="center", fontsize=9, color="white" if dark else "black"
        )
        if i:
            arrow = {"arrowstyle": "->", "color": NEUTRAL, "shrinkA": 0, "shrinkB": 0}
            axis.annotate("", (i - BOX / 2, 0.5), (i - 1 + BOX / 2, 0.5), arrowprops=arrow)
    axis.set(xlim=(-0.6, len(drops) - 0.4), ylim=(0, 1))
    axis.set_axis_off()
    axis.set_title(
        f"Blocks, parameters, and the AUC of {ATTACKS[attack]} when {WAYS[by]}\n"
        "(the darker, the more membership risk the block carries)",
        fontsize=10,
        loc="left",
    )


def _bars(axis: Axes, blocks: Sequence[Mapping[str, Any]], way: str, attack: str) -> None:
    """Draws the privacy score and the generalisation score of each block, side by side."""
    places = np.arange(len(blocks))
    scores = {
        "privacy score: fall of the AUC": (
            [block["changes"][way]["auc"][attack] for block in blocks],
            PRIVACY,
            "",
        ),
        "generalisation score: fall of the accuracy": (
            [block["changes"][way]["accuracy"] for block in blocks],
            GENERALISATION,
            "//",
        ),
    }
    for side, (label, (changes, colour, hatch)) in zip((-1, 1), scores.items(), strict=True):
        falls, errors = _falls(changes)
        axis.bar(
            places + side * BOX / 4,
            falls,
            BOX / 2 * 0.94,
            yerr=errors,
            label=label,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0,
            error_kw={"elinewidth": 1, "capsize": 2},
        )
    axis.axhline(0, color=NEUTRAL, linewidth=0.8)
    axis.grid(axis="y", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="x", length=0)
    axis.set_ylabel("fall")
    axis.set_title(WAYS[way], fontsize=10, loc="left")


def _cuts(axis: Axes, risks: Mapping[str, Any], by: str, attack: str) -> None:
    """Draws the gain of each cut over its cost; the number on a point is that of its blocks."""
    order = [block["name"] for block in risks["blocks"]]
    kinds = {
        "the first blocks": (order[0], "o", PRIVACY),
        "the last blocks": (order[-1], "s", GENERALISATION),
    }
    for label, (end, marker, colour) in kinds.items():
        cuts = [cut for cut in risks["cuts"] if end in cut["blocks"]]
        x, xerr = _falls([cut["changes"][by]["accuracy"] for cut in cuts])
        y, yerr = _falls([cut["changes"][by]["auc"][attack] for cut in cuts])
        axis.errorbar(x, y, yerr, xerr, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.5)
        axis.plot(x, y, marker=marker, markersize=13, color=colour, label=label, zorder=3, lw=1)
        for cut, a, b in zip(cuts, x, y, strict=True):
            count = str(len(cut["blocks"]))
            axis.text(a, b, count, color="white", ha="center", va="center", fontsize=9, zorder=4)
    whole, label = _whole(risks, attack), "the whole network defended"
    axis.plot(*whole, marker="X", markersize=11, color="black", ls="", label=label, zorder=5)
    _mark_auto(axis, risks, by, attack)
    axis.axhline(0, color=NEUTRAL, linewidth=0.8)
    axis.axvline(0, color=NEUTRAL, linewidth=0.8)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel("fall of the test accuracy (what it costs)")
    axis.set_ylabel(f"fall of the AUC of {ATTACKS[attack]} (what it brings)")
    axis.set_title(f"The first or the last 1, 2, ... blocks {WAYS[by]}", fontsize=10, loc="left")


def _mark_auto(axis: Axes, risks: Mapping[str, Any], by: str, attack: str) -> None:
    auto = risks.get("auto", {})
    if not auto.get("blocks"):
        return
    [cut] = [cut for cut in risks["cuts"] if cut["blocks"] == auto["blocks"]]
    x = -cut["changes"][by]["accuracy"]["value"]
    y = -cut["changes"][by]["auc"][attack]["value"]
    axis.plot(
        x,
        y,
        marker="o",
        markersize=23,
        fillstyle="none",
        color="black",
        linestyle="",
        zorder=5,
        label=f"auto: {'+'.join(auto['blocks'])}",
    )
    axis.axvline(auto["budget"], color="black", linestyle=":", linewidth=1, label="the budget")


def _whole(risks: Mapping[str, Any], attack: str) -> tuple[float, float]:
    """The gain and the cost of the defence in the entire network, from the start."""

    def fall(*path: str) -> float:
        before: Any = risks["undefended"]
        after: Any = risks["defended"]
        for key in path:
            before, after = before[key], after[key]
        values = before["value"], after["value"]
        return np.nan if None in values else values[0] - values[1]

    return fall("accuracy"), fall("auc", attack)


def _drop(change: Mapping[str, float | None]) -> float | None:
    return None if change["value"] is None else -change["value"]


def _falls(changes: Sequence[Mapping[str, float | None]]) -> tuple[np.ndarray, np.ndarray]:
    """Falls and the lengths of their error bars; NaN where nothing is known."""
    # None becomes NaN.
    value, low, high = (
        -np.array([change[key] for change in changes], float) for key in ("value", "high", "low")
    )
    return value, np.maximum([value - low, high - value], 0)


def _short(number: int) -> str:
    """A number in at most four signs and a unit: 229k, 11.2M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


def _signed(drop: float | None) -> str:
    return "n/a" if drop is None else f"AUC {-drop:+.2f}".replace("-", "−")
