"""Do GANs leak less than diffusion models? Both on the digits, undefended.

Command: `python experiments/generative_digits.py` (no download). It goes on where it was stopped.
Into `runs/generative_digits` it writes `generative_digits.json`, `.txt` and `.png`, and samples as
`generative_samples.png`.

Fleets of 16 class-conditional models learn halves of 1,200 digits: perceptrons that denoise (DDPM)
and GANs of two perceptrons. Each is trained for several times, each time with an anneal of its own
(early stopping); the denoiser besides with EMA, and with a part frozen early. The utility is the
accuracy, on digits that a model has not seen, of a classifier that learns from its samples alone.
Attacks are chosen on one half of the examples and reported on the other. `generative_private.py`
compares both at equal ε.

Result: docs/findings.md. Ten minutes of one CPU core.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Balanced, Dataset, Digits, Membership
from pptp_jax.evaluation import Point, SampleJudge, by_timestep, point, read_estimate
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.fleets import FleetSignals, FleetSpec, run_fleet
from pptp_jax.metrics import Bootstrap, Drawn, auc, roc
from pptp_jax.models import Model, ddpm, denoising_mlp, discriminator_mlp, gan, generator_mlp, mlp
from pptp_jax.report.timesteps import plot_timesteps
from pptp_jax.signals import (
    GRADIENT_NORMS,
    PIA_ERROR,
    PIAN_ERROR,
    SECMI_ERROR,
    SIMA_NORM,
    TIMESTEP_GRADIENTS,
    sample_distances_signal,
    samples_signal,
)
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.training import (
    AdamW,
    Average,
    Optimizer,
    Players,
    Recipe,
    freeze,
    undefended,
)

MODELS, EXAMPLES, REFERENCE = 16, 1200, 300
BATCH, SEED, RESAMPLES = 100, 0, 200
TIMES = {"DDPM": (50, 150, 400), "GAN": (150, 400, 1000)}
SHAPE, CLASSES = (8, 8, 1), 10
FULL = tuple(f"{times[-1]} epochs" for times in TIMES.values())  # with every attack

SAMPLED = ("gan_leaks", "gan_leaks_calibrated", "monte_carlo")
ON_SCORES = ("loss", "lira_online", "lira_multivariate", "rmia_online", "base_online")
ON_DDPM = (*ON_SCORES, "denoising_loss", "secmi", "pia", "pian", "sima", "gsa1", "gsa2", *SAMPLED)
ON_GAN = (*(name for name in ON_SCORES if name != "lira_multivariate"), "logan", *SAMPLED)

OF_SAMPLES = (samples_signal(CLASSES, 500), sample_distances_signal(CLASSES, 1000, 20))
PROBES = (SECMI_ERROR, PIA_ERROR, PIAN_ERROR, SIMA_NORM)
GRADIENTS = (GRADIENT_NORMS, TIMESTEP_GRADIENTS)  # they take longest


@cache
def diffusion(
    widths: tuple[int, ...] = (128, 128, 128), multiplicity: int = 1, embedding: int = 64
) -> Model:
    """A denoising perceptron, evaluated at seven timesteps with three draws of noise each."""
    network = denoising_mlp(widths, num_classes=CLASSES, embedding=embedding)
    timesteps = (3, 8, 15, 25, 40, 60, 80)
    settings: dict[str, Any] = {"timesteps": timesteps, "draws": 3, "multiplicity": multiplicity}
    return ddpm(network, steps=100, shape=SHAPE, **settings)


@cache
def adversarial() -> Model:
    """Two perceptrons."""
    return gan(generator_mlp([128, 128], SHAPE), discriminator_mlp([128, 128]), num_classes=CLASSES)


@dataclass(frozen=True, eq=False)
class Fixed:
    """The digits in random order, of which the first ones are attacked and the rest is nobody's."""

    data: Dataset
    membership: Membership
    judge: SampleJudge

    @classmethod
    def of(cls, seed: int, models: int = MODELS) -> "Fixed":
        """Drawn from a seed, for a number of models."""
        digits = Digits().load()
        order = np.random.default_rng(seed).permutation(len(digits))
        data = part(digits, order)
        membership = Balanced(models=models).draw(EXAMPLES, seed)
        reference = np.arange(EXAMPLES, EXAMPLES + REFERENCE)
        classifier = mlp([64], CLASSES, activation="relu")
        return cls(data, membership, SampleJudge.of(data, reference, classifier))


def part(data: Dataset, rows: np.ndarray) -> Dataset:
    """Some examples of a data set, in some order."""
    return replace(data, x=data.x[rows], y=data.y[rows], ids=data.ids[rows])


@dataclass(frozen=True)
class Row:
    """A fleet: a kind of model and a recipe."""

    kind: str
    label: str
    recipe: Recipe

    @property
    def model(self) -> Model:
        """What is trained."""
        return diffusion() if self.kind == "DDPM" else adversarial()

    @property
    def optimizer(self) -> Optimizer:
        """How its steps are taken."""
        if self.kind == "DDPM":
            return AdamW(learning_rate=2e-3)
        return Players(learning_rate=1e-3)

    @property
    def batch_size(self) -> int:
        """The members in a step."""
        return BATCH

    @property
    def attacks(self) -> tuple[str, ...]:
        """What attacks it."""
        if self.kind == "GAN":
            return ON_GAN
        skipped = () if self.label in FULL else ("gsa1", "gsa2")
        return tuple(name for name in ON_DDPM if name not in skipped)

    @property
    def slug(self) -> str:
        """Its name among files."""
        return f"{self.kind}_{self.label}".lower().replace(" ", "_").replace(",", "")


def averaged(epochs: int) -> Recipe:
    """Plain training whose released weights are an exponential moving average (EMA)."""
    plain = undefended(epochs)
    phase = replace(plain.phases[0], average=Average(decay=0.99))
    return replace(plain, name="ema", phases=(phase,))


def rows() -> list[Row]:
    """All fleets."""
    every = [
        Row(kind, f"{epochs} epochs", undefended(epochs))
        for kind, times in TIMES.items()
        for epochs in times
    ]
    early, end, _ = TIMES["DDPM"]
    every.append(Row("DDPM", "EMA", averaged(end)))
    for region in ("down", "middle", "up"):
        every.append(Row("DDPM", f"freeze {region}", freeze(region, early, end - early)))
    return every


def trained(row: Row, fixed: Fixed, out: Path, seed: int) -> FleetSignals:
    """The signals of a row's fleet, which is trained unless it is there."""
    probes = (*PROBES, *(GRADIENTS if row.label in FULL else ())) if row.kind == "DDPM" else ()
    spec = FleetSpec(
        model=row.model,
        recipe=row.recipe,
        data=fixed.data,
        members=fixed.membership.members,
        optimizer=row.optimizer,
        batch_size=row.batch_size,
        seed=seed,
        signals=(*row.model.task.signals, *probes, *OF_SAMPLES),
        queried=np.arange(EXAMPLES),
    )
    return run_fleet(spec, out / "fleets" / row.slug).end


def measured(row: Row, fixed: Fixed, out: Path, seed: int) -> tuple[dict[str, Any], Point]:
    """What attacks find of a row, what its samples are worth, and the point of both."""
    fleet = trained(row, fixed, out, seed)
    data, task = part(fixed.data, np.arange(EXAMPLES)), row.model.task
    seen = attacked(fleet, fixed.membership, row.attacks, data, task.signals)
    chosen, reported = (np.arange(EXAMPLES) % 2 == half for half in (0, 1))
    truth = seen.membership[:, reported]
    strengths = {
        name: auc(roc(own[:, chosen], seen.membership[:, chosen]))
        for name, own in seen.scores.items()
    }
    best = max(strengths, key=lambda name: strengths[name])
    spread = fixed.membership.spread(np.arange(EXAMPLES), len(fixed.data)).matrix[seen.targets]
    reference = np.arange(EXAMPLES, EXAMPLES + REFERENCE)
    samples, labels = np.asarray(fleet["samples"])[seen.targets], np.arange(500) % CLASSES
    quality = fixed.judge.fleet(samples, labels, spread, reference)
    accuracy = np.array([one.accuracy for one in quality])
    models = len(fixed.membership.members)
    resampling = Bootstrap(models, int(reported.sum()), resamples=RESAMPLES, seed=seed)
    points = {
        name: point(
            own[:, reported],
            truth,
            np.broadcast_to(accuracy[:, None], truth.shape),
            label=row.label,
            targets=seen.targets,
            resampling=resampling,
            fprs=(0.01,),
        )
        for name, own in seen.scores.items()
    }
    record = {
        "kind": row.kind,
        "label": row.label,
        "diverged": models - len(seen.targets),
        "notes": seen.notes,
        "attacks": {
            name: {"auc": one.to_json()["auc"], "tpr": one.to_json()["tpr@0.01"]}
            for name, one in points.items()
        },
        "best": best,
        "accuracy": points[best].to_json()["utility"],
        "quality": {
            name: float(np.mean([getattr(one, name) for one in quality]))
            for name in quality[0]._fields
        },
    }
    if row.kind == "DDPM" and row.label in FULL:
        record["timesteps"] = by_timestep(
            fleet, fixed.membership, task, resamples=RESAMPLES, seed=seed
        )
    return record, points[best]


def beside(one: Point, line: Sequence[Point]) -> dict[str, Any] | None:
    """How much more a model leaks than the DDPM that is as accurate, between its training times.

    None where no training time of the DDPM is as accurate, or none less so.
    """
    utilities = [point.utility.value for point in line]
    if not min(utilities) <= one.utility.value <= max(utilities):
        return None
    auc = one.strength["auc"]

    def less(at: Any, found: Any, utilities: Any, strengths: Any) -> float:
        order = np.argsort(utilities)
        return float(found - np.interp(at, np.take(utilities, order), np.take(strengths, order)))

    strengths = [point.strength["auc"] for point in line]
    value = less(one.utility.value, auc.value, utilities, [own.value for own in strengths])
    resamples = zip(
        one.utility.drawn,
        auc.drawn,
        np.stack([point.utility.drawn for point in line], axis=1),
        np.stack([own.drawn for own in strengths], axis=1),
        strict=True,
    )
    return Drawn(value, np.array([less(*parts) for parts in resamples])).estimate()._asdict()


def text_of(records: Sequence[dict[str, Any]]) -> str:
    """All of it as tables of Markdown."""
    lines = [
        "| model | recipe | accuracy of samples | nearer to members | best attack | AUC | "
        "TPR at 1 % FPR | less a DDPM as accurate |",
        "| --- " * 8 + "|",
    ]
    for one in records:
        best = one["attacks"][one["best"]]
        lines.append(
            f"| {one['kind']} | {one['label']} | {cell(one['accuracy'])} | "
            f"{one['quality']['nearer_members']:.3f} | {one['best']} | {cell(best['auc'])} | "
            f"{cell(best['tpr'])} | {cell(one['beside']) if one['beside'] else ''} |"
        )
    shown = [one for one in records if one["label"] in FULL]
    lines += ["", "| attack | " + " | ".join(f"{o['kind']}, {o['label']}" for o in shown) + " |"]
    lines.append("| --- " * (len(shown) + 1) + "|")
    for name in dict.fromkeys((*ON_DDPM, *ON_GAN)):
        cells = [cell(o["attacks"][name]["auc"]) if name in o["attacks"] else "" for o in shown]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(estimate: dict[str, Any]) -> str:
    """A number with its interval."""
    return f"{read_estimate(estimate):.3f}"


def draw(records: Sequence[dict[str, Any]], path: Path) -> None:
    """AUC of the best attack over the worth of samples, and of the denoiser over timesteps."""
    figure = Figure(figsize=(13, 4.8), layout="constrained", dpi=80)
    left, right = figure.subplots(1, 2)
    for kind, colour in (("DDPM", "#D55E00"), ("GAN", "#0072B2")):
        for place, one in enumerate(row for row in records if row["kind"] == kind):
            both = one["accuracy"], one["attacks"][one["best"]]["auc"]
            ends = [[found[end] for end in ("low", "value", "high")] for found in both]
            (x_low, x, x_high), (y_low, y, y_high) = ends
            left.errorbar(
                [x],
                [y],
                xerr=[[max(0.0, x - x_low)], [max(0.0, x_high - x)]],
                yerr=[[max(0.0, y - y_low)], [max(0.0, y_high - y)]],
                color=colour,
                fmt="o",
                capsize=2,
            )
            beside, above = ("left", "right")[place % 2], ("bottom", "top")[place // 2 % 2]
            label = f" {kind} {one['label']} "
            left.annotate(label, (x, y), fontsize="x-small", ha=beside, va=above)
    left.axhline(0.5, color="0.6", linestyle=":")
    left.margins(x=0.15)
    left.set_xlabel("accuracy of a classifier that learns from samples")
    left.set_ylabel("AUC of the best attack")
    last = next(one for one in records if one["label"] in FULL and "timesteps" in one)
    plot_timesteps(right, last["timesteps"])
    right.set_title(f"DDPM, {last['label']}, by timestep", fontsize="medium")
    write(path, lambda file: figure.savefig(file, format="png"))


def draw_samples(samples: dict[str, np.ndarray], data: Dataset, path: Path) -> None:
    """Ten samples of each class by one model of each kind, and as many digits."""
    digits = data.inputs()[..., 0]
    real = np.stack([digits[data.y == label][:8] for label in range(CLASSES)], axis=1)
    shown = {"digits": real.reshape(-1, 8, 8)} | {
        name: own[:80].reshape(-1, 8, 8) for name, own in samples.items()
    }
    figure = Figure(figsize=(3.2 * len(shown), 3), layout="constrained", dpi=80)
    for axes, (name, own) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        grid = own.reshape(8, CLASSES, 8, 8).transpose(0, 2, 1, 3).reshape(64, -1)
        axes.imshow(grid, cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(name, fontsize="medium")
        axes.axis("off")
    write(path, lambda file: figure.savefig(file, format="png"))


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/generative_digits"))
@click.option("--seed", default=SEED, show_default=True)
def main(out: Path, seed: int) -> None:
    """Trains the fleets, attacks them, and draws what comes out."""
    with errors_as_sentences(resumable=True):
        fixed, records, points = Fixed.of(seed), [], {}
        for row in rows():
            record, points[row.slug] = measured(row, fixed, out, seed)
            records.append(record)
            best = record["attacks"][record["best"]]["auc"]
            click.echo(f"{row.slug}: {record['best']} {cell(best)}, {cell(record['accuracy'])}")
        times = [row.slug for row in rows() if row.kind == "DDPM" and "epochs" in row.label]
        for row, record in zip(rows(), records, strict=True):
            line = [points[slug] for slug in times]
            record["beside"] = None if row.slug in times else beside(points[row.slug], line)
        write_json(out / "generative_digits.json", {"rows": records})
        write_text(out / "generative_digits.txt", text_of(records) + "\n")
        draw(records, out / "generative_digits.png")
        pictures = {
            f"{row.kind}, {row.label}": np.asarray(trained(row, fixed, out, seed)["samples"])[0]
            for row in rows()
            if row.label in FULL
        }
        draw_samples(pictures, fixed.data, out / "generative_samples.png")
        click.echo(text_of(records))


if __name__ == "__main__":
    main()
