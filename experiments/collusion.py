"""Who pays for the others' budgets? What ε = 8 leaks among larger and among smaller budgets.

Command: `python experiments/collusion.py` (no download). It goes on where it was stopped. Into
`runs/collusion` it writes `collusion.json`, `collusion.txt` and `collusion.png`, and the audit of
its fleets.

First the analytic part: the advantage of the best attacker on a holder of ε = 8, for each budget of
the others and each share of holders of 8, where budgets are kept by how often an example is drawn
(50,000 examples, batches of 128, 1,955 steps, δ = 1e-12). Then fleets of DP-SGD on the digits: 40
targets with wrong labels and ε = 8 among 280 others, whose budgets differ from fleet to fleet. LiRA
attacks the targets; its AUC stands beside the most that their privacy profile allows.

Result: docs/findings.md. Eight minutes on two busy CPU cores.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.audit import CanaryAudit, run_canaries
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Digits
from pptp_jax.metrics import attack_metrics
from pptp_jax.models import mlp
from pptp_jax.privacy import (
    IndividualBudgets,
    PrivacyProfile,
    excess_vulnerability,
    individual_clipping,
    individual_sampling,
)
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.training import SGD, Poisson, Private, Recipe, dp_sgd, undefended

TARGET = 8.0
OTHERS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
EPOCHS, BATCH = 20, 32
KINDS = {"sampling": individual_sampling, "clipping": individual_clipping}

audit = CanaryAudit(
    name="collusion",
    data=Digits(),
    model=mlp([32], num_classes=10),
    canaries=40,
    held_out=500,
    examples=40 + 280 + 500,
    runs=64,
    optimizer=SGD(),
    batch_size=BATCH,
    recipes=(undefended(1),),  # each fleet has its own
)


def heat_map(examples: int = 50_000, batch: float = 128, steps: int = 1955) -> list[dict[str, Any]]:
    """The leakage of a holder of ε = 8, by the others' budget and the share of its like."""
    cells = []
    for other in OTHERS:
        for share in SHARES:
            own = round(share * examples)
            budgets = np.where(np.arange(examples) < own, TARGET, other)
            found = excess_vulnerability(0, budgets, 1e-12, expected_batch_size=batch, steps=steps)
            cells.append(
                {
                    "others": other,
                    "share": share,
                    "advantage": found.advantage,
                    "baseline": found.baseline,
                    "divergence": found.divergence,
                }
            )
    return cells


def budgets_of(kind: str, other: float, audit: CanaryAudit) -> IndividualBudgets:
    """The budgets of a fleet: 8 for each target, and the same for each of the others."""
    others = (audit.examples or 0) - audit.canaries - audit.held_out
    places = audit.canaries + others
    return KINDS[kind](
        [TARGET] * audit.canaries + [other] * others,
        1 / (10 * places),
        expected_batch_size=BATCH,
        steps=EPOCHS * (places // BATCH),
    )


def recipe_of(kind: str, other: float, found: IndividualBudgets) -> Recipe:
    """DP-SGD that keeps these budgets."""
    private = Private(noise_multiplier=found.noise_multiplier, relative_norms=found.norms)
    recipe = dp_sgd(private, epochs=EPOCHS, batches=Poisson(rate=found.rates))
    return replace(recipe, name=f"{kind} among {other:g}")


def most_auc(profile: PrivacyProfile) -> float:
    """The largest area under a ROC curve that a privacy profile allows."""
    rates = np.linspace(0, 1, 2001)
    return float(1 - np.trapezoid(profile.trade_off(rates), rates))


def point(kind: str, other: float, audit: CanaryAudit, out: Path) -> dict[str, Any]:
    """What LiRA sees of the targets of one fleet, and the most that anybody could."""
    found = budgets_of(kind, other, audit)
    recipe = recipe_of(kind, other, found)
    results = run_canaries(replace(audit, recipes=(recipe,)), out / f"{kind}_{other:g}")
    with np.load(out / f"{kind}_{other:g}" / "scores" / f"{recipe.slug}.npz") as arrays:
        scores, present = (arrays[name][arrays["finite"]] for name in ("scores", "present"))
    attack = ATTACKS["lira_online"]
    lira = attack_targets(attack, scores[:, None], present, targets=range(len(scores)))
    measured = attack_metrics(lira, present, resamples=audit.runs * 8, seed=audit.seed)
    profile = found.profile(0)
    return {
        "kind": kind,
        "others": other,
        "noise_multiplier": found.noise_multiplier,
        "rate": profile.rate,
        "advantage": profile.advantage,
        "most_auc": most_auc(profile),
        "auc": measured["auc"]._asdict(),
        "accuracy": results["rows"][0]["test_accuracy"],
    }


def text_of(cells: Sequence[dict[str, Any]], points: Sequence[dict[str, Any]]) -> str:
    """All of it as tables of Markdown."""
    lines = [f"| share of ε = {TARGET:g} | {' | '.join(f'{share:g}' for share in SHARES)} |"]
    lines.append("| --- " * (len(SHARES) + 1) + "|")
    for other in sorted({cell["others"] for cell in cells}):
        own = [f"{cell['advantage']:.3f}" for cell in cells if cell["others"] == other]
        lines.append(f"| others at {other:g} | {' | '.join(own)} |")
    lines += ["", "| budgets by | others | σ | rate | advantage | most AUC | LiRA | accuracy |"]
    lines.append("| --- " * 8 + "|")
    for one in points:
        auc, own = (
            f"{e['value']:.3f} [{e['low']:.3f}, {e['high']:.3f}]"
            for e in (one["auc"], one["accuracy"])
        )
        lines.append(
            f"| {one['kind']} | {one['others']:g} | {one['noise_multiplier']:.2f} | "
            f"{one['rate']:.3f} | {one['advantage']:.3f} | {one['most_auc']:.3f} | {auc} | {own} |"
        )
    return "\n".join(lines)


def draw(cells: Sequence[dict[str, Any]], points: Sequence[dict[str, Any]], path: Path) -> None:
    """The analytic map, and the fleets beside their bound."""
    figure = Figure(figsize=(13, 4.6), layout="constrained", dpi=80)
    left, right = figure.subplots(1, 2)
    _map(left, cells)
    for kind, colour in (("sampling", "#b3421f"), ("clipping", "#1f5fb3")):
        own = [one for one in points if one["kind"] == kind]
        if not own:
            continue
        others = [one["others"] for one in own]
        right.plot(
            others, [one["most_auc"] for one in own], color=colour, label=f"{kind}: the bound"
        )
        values = np.array([[one["auc"][end] for end in ("low", "value", "high")] for one in own]).T
        right.errorbar(
            others,
            values[1],
            yerr=[values[1] - values[0], values[2] - values[1]],
            color=colour,
            fmt="o",
            capsize=3,
            label=f"{kind}: LiRA on the targets",
        )
    right.set_xscale("log", base=2)
    right.set_xticks(OTHERS, [f"{other:g}" for other in OTHERS])
    right.set_xlabel("ε of the others")
    right.set_ylabel("AUC on holders of ε = 8")
    right.set_title("Fleets on the digits, 95 % intervals", fontsize="medium")
    right.legend(fontsize="small")
    write(path, lambda file: figure.savefig(file, format="png"))


def _map(axes: Axes, cells: Sequence[dict[str, Any]]) -> None:
    others = sorted({cell["others"] for cell in cells})
    grid = np.array([cell["advantage"] for cell in cells]).reshape(len(others), -1)
    axes.imshow(grid, origin="lower", cmap="magma_r", aspect="auto")
    for i, row in enumerate(grid):
        for j, value in enumerate(row):
            dark = value > (grid.min() + grid.max()) / 2
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", color="w" if dark else "k")
    axes.set_xticks(range(len(SHARES)), [f"{100 * share:g} %" for share in SHARES])
    axes.set_yticks(range(len(others)), [f"{other:g}" for other in others])
    axes.set_xlabel("examples that hold ε = 8")
    axes.set_ylabel("ε of the others")
    axes.set_title("Advantage of the best attacker on a holder of ε = 8", fontsize="medium")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/collusion"))
def main(out: Path) -> None:
    """Computes the map, trains the fleets, and draws both."""
    with errors_as_sentences(resumable=True):
        place = out / "map.json"
        if not place.exists():
            write_json(place, {"cells": heat_map()})
        cells = json.loads(place.read_text())["cells"]
        points = [point(kind, other, audit, out) for kind in KINDS for other in OTHERS]
        write_json(out / "collusion.json", {"cells": cells, "points": points})
        write_text(out / "collusion.txt", text_of(cells, points) + "\n")
        draw(cells, points, out / "collusion.png")
        click.echo(text_of(cells, points))


if __name__ == "__main__":
    main()
