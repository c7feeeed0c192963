"""What do trajectory, distillation and single-label attacks add to LiRA and RMIA?

Command: `python experiments/attack_power.py` on the digits, or
`python experiments/attack_power.py location30.npz` on Location-30. It goes on where it was stopped.
Into `runs/attack_power` (`runs/attack_power_location30`) it writes a run directory, and
`power.json` and `power.txt`: what each attack achieves alone, and by how much LiRA, RMIA and it,
combined to one probability (`pptp_jax.metrics.combine`), exceed LiRA and RMIA combined ("added").
LOSS is the control: it reads nothing that LiRA does not read. "Beyond LOSS" is the same where LOSS
is in both combinations. All intervals are of the same bootstrap resamples of targets and examples.

Result: docs/findings.md, "Checkpoints, students, and one label".
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich import box
from rich.table import Table

from pptp_jax.attacks import ATTACKS
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Digits, Npz
from pptp_jax.evaluation import read_estimate
from pptp_jax.evaluation.combination import gains
from pptp_jax.fleets import Runtime
from pptp_jax.metrics import attack_metrics, combine
from pptp_jax.models import mlp
from pptp_jax.report.plain_text import plain_text
from pptp_jax.report.progress import progress_bar
from pptp_jax.storage.files import write_json, write_text
from pptp_jax.study import Study, run
from pptp_jax.training import SGD, undefended

KNOWN = ("lira_online", "rmia_online")
NEW = (
    "trajectory",
    "metric_sequence",
    "lira_trajectory",
    "distilled_trajectory",
    "lira_distilled",
    "oslo",
)
METRICS = {"AUC": "auc", "TPR at 1 %": "tpr@0.01"}

study = Study(
    name="attack_power",
    data=Digits(),
    model=mlp([256, 128, 64], num_classes=10),
    optimizer=SGD(),
    reference=300,
    trajectory=(1, 2, 4, 8, 16),
    attacks=("loss", *KNOWN, *NEW),
    combine=False,
    resamples=300,
    recipes=(undefended(30),),
)


def on_location30(study: Study, path: Path) -> Study:
    """The same question of the network that `experiments/location30.py` studies."""
    return replace(
        study,
        name="attack_power_location30",
        data=Npz(str(path)),
        model=mlp([512, 256, 128], num_classes=30),
        reference=500,
        trajectory=(1, 2, 3, 5, 8),
        recipes=(undefended(15),),
    )


def power(study: Study, slug: str, out: Path) -> dict[str, Any]:
    """Each attack alone, and what it, or all new ones together, add to LiRA and RMIA."""
    draws = {"resamples": study.resamples, "seed": study.seed}
    with np.load(out / "scores" / f"{slug}.npz") as stored:
        scores = {name: stored[name] for name in stored.files if name in ATTACKS}
        membership = stored["membership"]

    def together(*names: str) -> Any:
        return combine({one: scores[one] for one in (*KNOWN, *names)}, membership).probability

    both, three, every = together(), together("loss"), together("loss", *NEW)
    found: dict[str, Any] = {}
    for name, own in {**scores, "LiRA and RMIA": both, "all together": every}.items():
        metrics = attack_metrics(own, membership, **draws)
        found[name] = {"alone": {key: metrics[key]._asdict() for key in METRICS.values()}}
        if name not in (*KNOWN, "LiRA and RMIA"):
            more = together(name) if name in scores else own
            found[name]["added"] = gains(more, {"both": both}, membership, **draws)["both"]
        if name in (*NEW, "all together"):
            more = together("loss", name) if name in scores else own
            found[name]["beyond"] = gains(more, {"three": three}, membership, **draws)["three"]
    return found


def rendered(found: dict[str, Any]) -> str:
    """The table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    added = [f"{name} {what}" for what in ("added", "beyond LOSS") for name in METRICS]
    for column in ("attack", "access", *METRICS, *added):
        table.add_column(column, no_wrap=True)
    for name, own in found.items():
        access = ATTACKS[name].access if name in ATTACKS else ""
        cells = [interval(own["alone"][metric]) for metric in METRICS.values()]
        for what in ("added", "beyond"):
            cells += [interval(own.get(what, {}).get(metric)) for metric in METRICS.values()]
        table.add_row(name, access, *cells)
    return plain_text(table, width=250)


def interval(found: dict[str, float | None] | None) -> str:
    """An estimate and its ends."""
    return "" if found is None else f"{read_estimate(found):.4f}"


def main() -> None:
    """Trains and attacks, then combines."""
    chosen = study
    if len(sys.argv) > 1:
        chosen = on_location30(study, Path(sys.argv[1]))
    out = Path("runs") / chosen.name
    with errors_as_sentences(resumable=True):
        with progress_bar(chosen.recipes, chosen.split.models) as shown:
            runtime = Runtime(on_progress=shown, log=click.echo)
            results = run(chosen, out, runtime=runtime, command=" ".join(sys.argv))
        [recipe] = chosen.recipes
        found = power(chosen, recipe.slug, out)
        write_json(out / "power.json", found)
        notes = "\n".join(note for row in results["rows"] for note in row["notes"])
        write_text(out / "power.txt", rendered(found) + "\n")
    click.echo("\n".join(filter(None, [rendered(found), notes])))


if __name__ == "__main__":
    main()
