"""Which player of a GAN leaks its members, and when? Freezing one of them on the digits.

Command: `python experiments/generative_players.py` (no download). It goes on where it was stopped.
Into `runs/generative_players` it writes `generative_players.json`, `.txt` and `.png`.

Fleets of GANs of two perceptrons learn halves of 600 digits: to the end, stopped early, and with
the discriminator or the generator frozen at that time. Attacks with the discriminator stand beside
attacks with samples alone, and beside what the samples are worth: the accuracy, on digits that a
model has not seen, of a classifier that learns from samples.

Result: docs/findings.md.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Balanced, Dataset, Digits
from pptp_jax.evaluation import SampleJudge, read_estimate
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.fleets import FleetSpec, run_fleet
from pptp_jax.metrics import attack_metrics, masked_mean
from pptp_jax.models import discriminator_mlp, gan, generator_mlp, mlp
from pptp_jax.signals import sample_distances_signal, samples_signal
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.training import Players, Recipe, early_stopped, freeze, undefended

MODELS, EXAMPLES, REFERENCE, SEED, RESAMPLES = 8, 600, 300, 0, 200
SHORT, LONG = 150, 400
CLASSES, SHAPE, SAMPLES = 10, (8, 8, 1), 500
ATTACKS = ("logan", "lira_online", "gan_leaks", "gan_leaks_calibrated", "monte_carlo")
MODEL = gan(generator_mlp([128, 128], SHAPE), discriminator_mlp([128, 128]), CLASSES, penalty=0.3)
RECIPES = {
    "to the end": undefended(LONG),
    "stopped early": early_stopped(SHORT),
    "discriminator frozen early": freeze("discriminator", after=SHORT, more=LONG - SHORT),
    "generator frozen early": freeze("generator", after=SHORT, more=LONG - SHORT),
}


def digits() -> Dataset:
    """The digits in random order: those that are attacked first, then those of the judge."""
    data = Digits().load()
    rows = np.random.default_rng(SEED).permutation(len(data))[: EXAMPLES + REFERENCE]
    return replace(data, x=data.x[rows], y=data.y[rows], ids=data.ids[rows])


def row(recipe: Recipe, data: Dataset, judge: SampleJudge, out: Path) -> dict[str, Any]:
    """What a fleet's samples are worth, and what attacks find."""
    membership = Balanced(models=MODELS).draw(EXAMPLES, SEED)
    spec = FleetSpec(
        model=MODEL,
        recipe=recipe,
        data=data,
        members=membership.members,
        optimizer=Players(learning_rate=1e-3),
        batch_size=50,
        seed=SEED,
        signals=(
            *MODEL.task.signals,
            samples_signal(CLASSES, SAMPLES),
            sample_distances_signal(CLASSES, 1000, 20),
        ),
        queried=np.arange(EXAMPLES),
    )
    fleet = run_fleet(spec, out / "fleets" / recipe.slug).end
    seen = attacked(fleet, membership, ATTACKS, declared=MODEL.task.signals)
    spread = membership.spread(np.arange(EXAMPLES), len(data)).matrix[seen.targets]
    quality = judge.fleet(
        np.asarray(fleet["samples"])[seen.targets],
        np.arange(SAMPLES) % CLASSES,
        spread,
        np.arange(EXAMPLES, len(data)),
    )
    own = np.array([one.accuracy for one in quality])[:, None]
    draws: dict[str, Any] = {"resamples": RESAMPLES, "seed": SEED}
    return {
        "accuracy": masked_mean(own, np.ones_like(own, bool), **draws)._asdict(),
        "nearer_members": float(np.mean([one.nearer_members for one in quality])),
        "attacks": {
            name: attack_metrics(scores, seen.membership, **draws)["auc"]._asdict()
            for name, scores in seen.scores.items()
        },
    }


def text_of(found: dict[str, Any]) -> str:
    """All of it as a table of Markdown."""
    lines = [f"| training | accuracy by samples | {' | '.join(ATTACKS)} |"]
    lines.append("| --- " * (2 + len(ATTACKS)) + "|")
    for name, one in found.items():
        cells = " | ".join(_cell(one["attacks"][attack]) for attack in ATTACKS)
        lines.append(f"| {name} | {_cell(one['accuracy'])} | {cells} |")
    return "\n".join(lines)


def _cell(found: dict[str, float]) -> str:
    return f"{read_estimate(found):.3f}"


def draw(found: dict[str, Any], path: Path) -> None:
    """The AUC of each attack over the accuracy, a mark for each training."""
    figure = Figure(figsize=(10, 4), layout="constrained", dpi=80)
    panels = {"sees the discriminator": ATTACKS[:2], "sees samples alone": ATTACKS[2:]}
    for axes, (title, names) in zip(
        figure.subplots(1, 2, sharey=True), panels.items(), strict=True
    ):
        for place, attack in enumerate(names):
            aucs = np.array(
                [
                    [one["attacks"][attack][end] for end in ("low", "value", "high")]
                    for one in found.values()
                ]
            ).T
            at = np.arange(len(found)) + 0.15 * (place - 1)
            bars = [aucs[1] - aucs[0], aucs[2] - aucs[1]]
            axes.errorbar(at, aucs[1], yerr=bars, fmt="o", capsize=3, label=attack)
        labels = [name.replace(" frozen", "\nfrozen") for name in found]
        axes.set_xticks(range(len(found)), labels, fontsize="small")
        axes.axhline(0.5, color="k", linewidth=0.8, linestyle=":")
        axes.set_title(title, fontsize="medium")
        axes.legend(fontsize="small")
    figure.axes[0].set_ylabel("AUC")
    write(path, lambda file: figure.savefig(file, format="png"))


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/generative_players"))
def main(out: Path) -> None:
    """Trains the fleets, attacks them, and draws the leakage."""
    with errors_as_sentences(resumable=True):
        data = digits()
        reference = np.arange(EXAMPLES, len(data))
        judge = SampleJudge.of(data, reference, mlp([64], CLASSES, activation="relu"))
        found = {}
        for name, recipe in RECIPES.items():
            found[name] = row(recipe, data, judge, out)
            click.echo(text_of({name: found[name]}).splitlines()[-1])
        write_json(out / "generative_players.json", found)
        write_text(out / "generative_players.txt", text_of(found) + "\n")
        draw(found, out / "generative_players.png")


if __name__ == "__main__":
    main()
