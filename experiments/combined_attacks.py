"""How much do all attacks combined gain over LiRA and RMIA?

Command: `python experiments/combined_attacks.py` on the digits, or
`python experiments/combined_attacks.py location30.npz` on Location-30. It goes on where it was
stopped. Into `runs/combined_attacks` (`runs/combined_attacks_location30`) it writes a run directory
with its report, and `combined.json` and `combined.txt`: LiRA and RMIA alone, and what several sets
of attacks achieve as one calibrated probability (`pptp_jax.metrics.combine`), by a weighted sum
and by boosted trees. Label-only attacks are left out; they ask hundreds of labels of each example.

`--left-out 6` also leaves out each attack in turn, of the six with the largest shares, and fits the
rest again (`pptp_jax.evaluation.left_out`): minutes more.

Result (docs/attacks.md): .01 to .04 AUC more than LiRA, .01 at most more than the strongest attack
alone, and calibrated probabilities; trees gain .01 in one of four comparisons and nothing
significant in three; leaving out any one of six attacks costs nothing. On one CPU core beside other
jobs the digits take 7 minutes with the six left out; Location-30 took 15 without trees.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich import box
from rich.table import Table

from pptp_jax import report
from pptp_jax.attacks import ATTACKS
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Digits, Npz
from pptp_jax.data.boosted_trees import boosted_trees
from pptp_jax.evaluation import RunResults, read_estimate
from pptp_jax.evaluation.combination import combined, gains
from pptp_jax.evaluation.left_out import left_out
from pptp_jax.fleets import Runtime
from pptp_jax.metrics import attack_metrics
from pptp_jax.models import mlp
from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.progress import progress_bar
from pptp_jax.storage.files import write_json, write_text
from pptp_jax.study import Study, run
from pptp_jax.study.config import ATTACKED_BY
from pptp_jax.training import SGD, early_stopped, undefended

LABEL_ONLY = {"boundary_distance", "noise", "augmentation"}
KNOWN = {"logits", "labels", "confidence", "log_prob", "correct", "inputs", "nonmembers"}
KNOWN |= {"gradient_norms", "input_gradient_norm"}
SETS = {
    "LiRA": ("lira_online",),
    "RMIA": ("rmia_online",),
    "LiRA and RMIA": ("lira_online", "rmia_online"),
    "the five of a study": ATTACKED_BY,
}
METRICS = {"AUC": "auc", "TPR at 1 %": "tpr@0.01", "TPR at 0.1 %": "tpr@0.001"}

study = Study(
    name="combined_attacks",
    data=Digits(),
    model=mlp([256, 128, 64], num_classes=10),
    optimizer=SGD(),
    reference=300,
    attacks=tuple(
        name
        for name, attack in ATTACKS.items()
        if name not in LABEL_ONLY | {"lira_multivariate"}
        and all(one in KNOWN for one in map(str, attack.reads))
    ),
    recipes=(undefended(30), early_stopped(4)),
)


def on_location30(study: Study, path: Path) -> Study:
    """The same question of the network that `experiments/location30.py` studies."""
    return replace(
        study,
        name="combined_attacks_location30",
        data=Npz(str(path)),
        model=mlp([512, 256, 128], num_classes=30),
        reference=500,
        recipes=(undefended(15), early_stopped(3)),
    )


def of_recipe(study: Study, slug: str, out: Path, leave_out: int) -> dict[str, Any]:
    """LiRA and RMIA alone, and the sets of attacks together.

    Args:
        study: the study.
        slug: of the recipe.
        out: the run directory.
        leave_out: how many attacks are left out in turn, those with the largest shares.
    """
    draws = {"resamples": study.resamples, "seed": study.seed}
    with np.load(out / "scores" / f"{slug}.npz") as stored:
        scores = {name: stored[name] for name in stored.files if name in ATTACKS}
        membership = stored["membership"]
    alone = {
        name: attack_metrics(scores[name], membership, **draws) for name in SETS["LiRA and RMIA"]
    }
    every = f"all {len(scores)}"
    sets = SETS | {every: tuple(scores)}
    joined = {
        title: combined({n: scores[n] for n in names}, membership, "lira_online", **draws)
        for title, names in sets.items()
    }
    gained = {}
    for title in ("the five of a study", every):
        own = {name: scores[name] for name in sets[title]}
        found = combined(own, membership, "lira_online", classifier=boosted_trees, **draws)
        by_sum = {"sum": joined[title].probability}
        gained[title] = gains(found.probability, by_sum, membership, **draws)["sum"]
        joined[f"{title}, trees"] = found
    together = {title: found.record for title, found in joined.items()}
    shares = (together[every] or {})["shares"]
    largest = sorted(shares, key=lambda name: -shares[name])[:leave_out]
    lost = left_out(scores, membership, attacks=largest, **draws) if largest else {}
    return {
        "alone": {
            name: {metric: found[metric]._asdict() for metric in METRICS.values()}
            for name, found in alone.items()
        },
        "together": together,
        "trees over the sum": gained,
        "lost without": {
            name: {metric: own._asdict() for metric, own in metrics.items()}
            for name, metrics in lost.items()
        },
    }


def rendered(found: dict[str, Any]) -> str:
    """The table of one recipe."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", *METRICS, "AUC over LiRA", "over the strongest of them", "Brier score"):
        table.add_column(column, no_wrap=True)
    for name, metrics in found["alone"].items():
        table.add_row(name, *(interval(metrics[metric]) for metric in METRICS.values()))
    for title, record in found["together"].items():
        gains = record["gains"]
        strongest = list(gains)[-1]
        table.add_row(
            f"together: {title}",
            *(interval(record["metrics"][metric]) for metric in METRICS.values()),
            interval(gains.get("lira_online", {}).get("auc")),
            f"{interval(gains[strongest]['auc'])} ({strongest})",
            interval(record["brier"]["score"]) + f"; {record['brier']['miscalibration']:.4f}",
        )
    for title, gained in found["trees over the sum"].items():
        cells = (interval(gained.get(metric)) for metric in METRICS.values())
        table.add_row(f"trees over the sum: {title}", *cells)
    for name, lost in found["lost without"].items():
        cells = (interval(lost.get(metric)) for metric in METRICS.values())
        table.add_row(f"lost without {name}", *cells)
    return plain_text(table, width=250)


def interval(found: dict[str, float | None] | None) -> str:
    """An estimate and its ends."""
    return "n/a" if found is None else f"{read_estimate(found):.4f}"


@click.command()
@click.argument("location30", type=click.Path(path_type=Path), required=False)
@click.option("--left-out", "leave_out", type=click.IntRange(min=0), default=0)
def main(location30: Path | None, leave_out: int) -> None:
    """Trains and attacks, then combines."""
    chosen = study if location30 is None else on_location30(study, location30)
    out = Path("runs") / chosen.name
    with errors_as_sentences(resumable=True):
        with progress_bar(chosen.recipes, chosen.split.models) as shown:
            runtime = Runtime(on_progress=shown, log=click.echo)
            results = run(chosen, out, runtime=runtime, command=" ".join(sys.argv))
        report.draw_figures(RunResults.from_json(results), out)
        report.write_report(out)
        found = {
            recipe.slug: of_recipe(chosen, recipe.slug, out, leave_out) for recipe in chosen.recipes
        }
        write_json(out / "combined.json", found)
        table = "\n".join(f"{slug}\n{rendered(own)}" for slug, own in found.items())
        write_text(out / "combined.txt", table + "\n")
    click.echo(table)


if __name__ == "__main__":
    main()
