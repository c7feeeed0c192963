"""Do GANs leak less than diffusion models at equal ε? Both on the digits, by DP-SGD.

Command: `python experiments/generative_private.py` (no download). It goes on where it was stopped.
Into `runs/generative_private` it writes `generative_private.json`, `.txt` and `.png`, and samples
as `generative_private_samples.png`.

Fleets of eight models of each kind learn halves of 1,200 digits, at several ε. Data, utility and
attacks are those of `generative_digits.py`; batches, networks and learning rates suit DP-SGD: every
member joins every step (noisy gradient descent). They were chosen on digits in another order, by
the accuracy of samples alone. The table has each model's utility and the best attack, and the
difference of both kinds at equal ε.

Result: docs/findings.md. About 25 minutes of one CPU core.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
from generative_digits import (
    CLASSES,
    EXAMPLES,
    SHAPE,
    Fixed,
    Row,
    cell,
    diffusion,
    draw_samples,
    measured,
    trained,
)
from matplotlib.figure import Figure

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.evaluation import Point
from pptp_jax.models import Model, discriminator_mlp, gan, generator_mlp
from pptp_jax.privacy import noise_within
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.study.guarantee import guarantee
from pptp_jax.training import (
    AdamW,
    Optimizer,
    Players,
    Poisson,
    Private,
    Recipe,
    dp_sgd,
)

SEED, MODELS, MEMBERS = 0, 8, EXAMPLES // 2
EPSILONS = (32, 128, 512)
STEPS = {"DDPM": 300, "GAN": 2000}
MAX_NORM = {"DDPM": 0.01, "GAN": 0.3}  # nearly all gradients are longer
COLOURS = {"DDPM": "#D55E00", "GAN": "#0072B2"}


@cache
def adversarial() -> Model:
    """Two smaller perceptrons: the norm of the noise grows with the discriminator."""
    return gan(generator_mlp([64], SHAPE), discriminator_mlp([64]), num_classes=CLASSES, latent=16)


@dataclass(frozen=True)
class PrivateRow(Row):
    """A fleet of a kind of model, trained by noisy gradient descent."""

    @property
    def model(self) -> Model:
        """What is trained: smaller than without noise."""
        if self.kind == "DDPM":
            return diffusion((64,), multiplicity=16, embedding=16)
        return adversarial()

    @property
    def optimizer(self) -> Optimizer:
        """How its steps are taken."""
        if self.kind == "DDPM":
            return AdamW(learning_rate=0.04)
        return Players(learning_rate=6e-3, b1=0.0)

    @property
    def batch_size(self) -> int:
        """All members."""
        return MEMBERS


@cache
def private(kind: str, epsilon: int) -> Recipe:
    """Noisy gradient descent that spends ε."""
    steps = STEPS[kind]
    noise = noise_within(epsilon, 1 / (10 * MEMBERS), rate=1.0, steps=steps, accountant="pld")
    gradient = Private(noise_multiplier=noise, max_norm=MAX_NORM[kind])
    return dp_sgd(gradient, epochs=steps, batches=Poisson())


def rows() -> list[tuple[int, PrivateRow]]:
    """All fleets, each with its ε."""
    return [
        (epsilon, PrivateRow(kind, f"epsilon {epsilon}", private(kind, epsilon)))
        for epsilon in EPSILONS
        for kind in STEPS
    ]


def gap(gan: Point, ddpm: Point) -> dict[str, Any]:
    """GAN less DDPM, in AUC and in the accuracy of samples."""
    return {
        "auc": (gan.strength["auc"] - ddpm.strength["auc"]).estimate()._asdict(),
        "accuracy": (gan.utility - ddpm.utility).estimate()._asdict(),
    }


def text_of(records: Sequence[dict[str, Any]], gaps: dict[int, dict[str, Any]]) -> str:
    """All of it as tables of Markdown."""
    lines = [
        "| ε | model | accuracy of samples | nearer to members | best attack | AUC | "
        "TPR at 1 % FPR |",
        "| --- " * 7 + "|",
    ]
    for one in records:
        best = one["attacks"][one["best"]]
        lines.append(
            f"| {one['epsilon']:.2f} | {one['kind']} | {cell(one['accuracy'])} | "
            f"{one['quality']['nearer_members']:.3f} | {one['best']} | {cell(best['auc'])} | "
            f"{cell(best['tpr'])} |"
        )
    lines += ["", "| ε | GAN less DDPM in AUC | in accuracy of samples |", "| --- " * 3 + "|"]
    for epsilon, own in gaps.items():
        lines.append(f"| {epsilon} | {cell(own['auc'])} | {cell(own['accuracy'])} |")
    return "\n".join(lines)


def draw(records: Sequence[dict[str, Any]], path: Path) -> None:
    """The worth of samples over ε, AUC of the best attack over ε, and one over the other."""
    figure = Figure(figsize=(12, 4), layout="constrained", dpi=80)
    worth, leaks, both = figure.subplots(1, 3)
    for kind, colour in COLOURS.items():
        own = [one for one in records if one["kind"] == kind]
        epsilons = [one["epsilon"] for one in own]
        accuracy, auc = (
            {end: np.array([one[end] for one in found]) for end in ("value", "low", "high")}
            for found in (
                [one["accuracy"] for one in own],
                [one["attacks"][one["best"]]["auc"] for one in own],
            )
        )
        style = {"color": colour, "marker": "o", "capsize": 2, "label": kind}
        worth.errorbar(epsilons, accuracy["value"], yerr=bars(accuracy), **style)
        leaks.errorbar(epsilons, auc["value"], yerr=bars(auc), **style)
        ends = {"xerr": bars(accuracy), "yerr": bars(auc)}
        both.errorbar(accuracy["value"], auc["value"], **ends, **style)
    for axes in (worth, leaks):
        axes.set_xscale("log")
        axes.set_xticks(EPSILONS, [str(epsilon) for epsilon in EPSILONS])
        axes.minorticks_off()
        axes.set_xlabel("ε")
    for axes in (leaks, both):
        axes.axhline(0.5, color="0.6", linestyle=":")
        axes.set_ylabel("AUC of the best attack")
    worth.axhline(1 / CLASSES, color="0.6", linestyle=":")
    worth.set_ylabel("accuracy by samples")
    both.set_xlabel("accuracy by samples")
    worth.legend()
    write(path, lambda file: figure.savefig(file, format="png"))


def bars(ends: dict[str, np.ndarray]) -> np.ndarray:
    """How far an interval reaches below and above its value."""
    value, low, high = (ends[name] for name in ("value", "low", "high"))
    return np.maximum([value - low, high - value], 0.0)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/generative_private"))
@click.option("--seed", default=SEED, show_default=True)
def main(out: Path, seed: int) -> None:
    """Trains the fleets, attacks them, and draws what comes out."""
    with errors_as_sentences(resumable=True):
        fixed, records, points = Fixed.of(seed, MODELS), [], {}
        for epsilon, row in rows():
            record, points[epsilon, row.kind] = measured(row, fixed, out, seed)
            spent = guarantee(row.recipe, row.model, MEMBERS, row.batch_size)
            assert spent is not None
            records.append(record | {"epsilon": spent.epsilon, "guarantee": str(spent)})
            best = record["attacks"][record["best"]]["auc"]
            click.echo(f"{row.slug}: {record['best']} {cell(best)}, {cell(record['accuracy'])}")
        gaps = {own: gap(points[own, "GAN"], points[own, "DDPM"]) for own in EPSILONS}
        write_json(out / "generative_private.json", {"rows": records, "gaps": gaps})
        write_text(out / "generative_private.txt", text_of(records, gaps) + "\n")
        draw(records, out / "generative_private.png")
        pictures = {
            f"{row.kind}, ε = {epsilon}": np.asarray(trained(row, fixed, out, seed)["samples"])[0]
            for epsilon, row in rows()
            if epsilon in EPSILONS[::2]
        }
        draw_samples(pictures, fixed.data, out / "generative_private_samples.png")
        click.echo(text_of(records, gaps))


if __name__ == "__main__":
    main()
