"""All attacks on the same models, side by side: AUC and TPR at 1 % FPR, by access."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pptp_jax.attacks import Attack
from pptp_jax.attacks.title import attack_name, known_attack
from pptp_jax.evaluation.results import RecipeResult
from pptp_jax.report.curves import COLOURS

ACCESS = {
    "labels": (COLOURS[2], "sees labels alone"),
    "scores": (COLOURS[0], "sees scores"),
    "white-box": (COLOURS[1], "sees the weights"),
    "samples": (COLOURS[3], "sees samples alone"),
}
METRICS = {"auc": ("AUC", 0.5), "tpr@0.01": ("TPR at 1 % FPR", 0.01)}
# Round: with shadows; square: the target alone.
SHADOWED, ALONE = "o", "s"


def draw_attacks(rows: Mapping[str, RecipeResult], path: Path, title: str) -> Path:
    """Draws what each attack achieves with its 95 % interval, the strongest on top.

    Args:
        rows: by what stands above them, data and recipe say; attacks without an AUC are left out.
        path: where the picture goes.
        title: of the figure.

    Returns:
        The picture's path.
    """
    most = max(len(by_auc(row)) for row in rows.values())
    figure = Figure(figsize=(7.5 * len(rows), 1.6 + 0.23 * most), layout="constrained", dpi=150)
    figure.suptitle(title)
    panels = figure.subplots(1, 2 * len(rows), squeeze=False)[0]
    for i, (heading, row) in enumerate(rows.items()):
        names = by_auc(row)
        for axes, (metric, (label, chance)) in zip(
            panels[2 * i : 2 * i + 2], METRICS.items(), strict=True
        ):
            _draw(axes, row, names, metric)
            axes.axvline(chance, color="grey", linestyle=":", linewidth=1)
            axes.set(xlabel=f"{label} (dotted: chance)", ylim=(most - 0.5, -0.5))
            axes.set_yticks(range(len(names)), [] if metric != "auc" else map(attack_name, names))
            axes.grid(alpha=0.3, axis="x")
            if metric == "auc":
                axes.set_title(heading, loc="left", fontsize="medium")
    handles = [
        Line2D([], [], color=colour, marker=SHADOWED, linestyle="", label=words)
        for colour, words in ACCESS.values()
    ]
    handles += [
        Line2D([], [], color="black", marker=mark, linestyle="", label=words, fillstyle="none")
        for mark, words in ((SHADOWED, "with shadow models"), (ALONE, "the target alone"))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(path)
    return path


def by_auc(row: RecipeResult) -> list[str]:
    """The attacks that were made, the one with the highest AUC first.

    Examples:
        >>> from pptp_jax.evaluation import AttackResult
        >>> from pptp_jax.metrics import UNRESOLVED, Estimate
        >>> found = {"loss": 0.6, "lira_online": 0.7}
        >>> made = {name: AttackResult({"auc": Estimate(v, v, v)}) for name, v in found.items()}
        >>> by_auc(RecipeResult(slug="a", attacks={"noise": AttackResult(), **made}))
        ['lira_online', 'loss']
    """
    aucs = {name: found.auc.value for name, found in row.attacks.items()}
    made = {name: value for name, value in aucs.items() if value is not None}
    return sorted(made, key=lambda name: -made[name])


def _draw(axes: Axes, row: RecipeResult, names: list[str], metric: str) -> None:
    for place, name in enumerate(names):
        value, low, high = row.attack(name)[metric]
        if value is None or low is None or high is None:
            continue
        known = known_attack(name)
        colour = COLOURS[-1] if known is None else ACCESS[known.access][0]
        axes.plot([low, high], [place, place], color=colour, linewidth=1.2)
        axes.plot(value, place, SHADOWED if _shadowed(known) else ALONE, color=colour, ms=4.5)


def _shadowed(attack: Attack | None) -> bool:
    return attack is not None and bool(
        attack.min_in_shadows or attack.min_out_shadows or attack.min_shadows
    )
