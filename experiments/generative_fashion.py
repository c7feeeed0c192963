"""Clothes by a U-Net and by a DCGAN: what do their samples look like, and do they leak?

Command: `python experiments/generative_fashion.py --data DIR`, with the directory in which TFDS has
prepared `fashion_mnist` as array_record. It goes on where it was stopped. Into
`runs/generative_fashion` it writes `generative_fashion.json`, `.txt` and `.png`.

Class-conditional models learn halves of some images of 14×14 pixels: a diffusion model with a small
U-Net and a GAN of convolutions. Their samples are judged by a classifier that learns from samples
alone and is tested on images that the model has not seen, by precision and recall, and by how much
nearer they are to members than to others. The picture shows samples beside the nearest member and
the nearest non-member. The diffusion model releases an average of its networks (EMA) and samples
by ancestral sampling. `--size full` has the sizes that are meant for a GPU; `small`, the default,
is what two CPU cores can do, with six models of each kind, so that attacks have shadows.

Result: docs/findings.md.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Balanced, Dataset, Membership, Shrunk, Tfds
from pptp_jax.evaluation import SampleJudge, SampleQuality, read_estimate
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.fleets import FleetSignals, FleetSpec, run_fleet
from pptp_jax.metrics import Estimate, attack_metrics, masked_mean
from pptp_jax.metrics.manifolds import nearest
from pptp_jax.models import Model, cnn, ddpm, discriminator_cnn, gan, generator_cnn, unet
from pptp_jax.signals import (
    SECMI_DIFFERENCE,
    SECMI_ERROR,
    sample_distances_signal,
    samples_signal,
)
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.tasks import Signal
from pptp_jax.training import AdamW, Average, Optimizer, Players, Recipe, undefended

CLASSES, SHAPE, SEED, RESAMPLES = 10, (14, 14, 1), 0, 200
SAMPLED = ("gan_leaks", "gan_leaks_calibrated", "monte_carlo")
ON_SCORES = ("loss", "rmia_online", "lira_online", "calibration_watson")
EMA = 0.995
SHOWN = 10  # samples of each kind in the picture, one a class


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes:
        models: of each kind.
        examples: those that are attacked; each model learns half of them.
        reference: those that the judge's features are learned from.
        width: the channels of the networks at full height and width.
        batch: the examples in a step.
        gan_epochs: how long a GAN learns.
        ddpm_epochs: how long a diffusion model learns.
        samples: how many are judged and attacked of each model.
    """

    models: int
    examples: int
    reference: int
    width: int
    batch: int
    gan_epochs: int
    ddpm_epochs: int
    samples: int


SIZES = {
    "small": Size(6, 600, 300, 12, 25, 120, 120, 200),
    "full": Size(16, 8000, 2000, 64, 50, 200, 200, 1000),
}


@dataclass(frozen=True)
class Kind:
    """A kind of generative model."""

    title: str
    model: Model
    optimizer: Optimizer
    recipe: Recipe
    attacks: tuple[str, ...]
    signals: tuple[Signal, ...] = ()


def kinds(size: Size) -> dict[str, Kind]:
    """The two kinds."""
    network = unet(size.width, depth=1, num_classes=CLASSES)
    diffusion = ddpm(
        network,
        steps=100,
        shape=SHAPE,
        timesteps=(5, 15, 30, 50, 80),
        draws=2,
        sampling_steps=50,
        eta=1.0,
    )
    [phase] = undefended(size.ddpm_epochs).phases
    averaged = Recipe(name="averaged", phases=(replace(phase, average=Average(decay=EMA)),))
    wide = 2 * size.width
    players = generator_cnn([2 * wide, wide], SHAPE), discriminator_cnn([wide, 2 * wide])
    return {
        "unet": Kind(
            "U-Net, diffusion",
            diffusion,
            AdamW(learning_rate=2e-3),
            averaged,
            (*ON_SCORES, "denoising_loss", "secmi", "secmi_nns", *SAMPLED),
            (SECMI_ERROR, SECMI_DIFFERENCE),
        ),
        "dcgan": Kind(
            "DCGAN",
            gan(*players, num_classes=CLASSES, penalty=0.3),
            Players(learning_rate=5e-4),
            undefended(size.gan_epochs),
            ("logan", *ON_SCORES, *SAMPLED),
        ),
    }


def clothes(data: Path, size: Size) -> Dataset:
    """The images in random order: those that are attacked first, then those of the judge."""
    rng = np.random.default_rng(SEED)
    count = size.examples + size.reference
    source = Shrunk(Tfds("fashion_mnist")).at(data)
    return source.load(lambda total: np.sort(rng.permutation(total)[:count]))


def trained(
    name: str, size: Size, data: Dataset, membership: Membership, out: Path
) -> FleetSignals:
    """The signals of a fleet, which is trained unless it is there."""
    kind = kinds(size)[name]
    spec = FleetSpec(
        model=kind.model,
        recipe=kind.recipe,
        data=data,
        members=membership.members,
        optimizer=kind.optimizer,
        batch_size=size.batch,
        seed=SEED,
        signals=(
            *kind.model.task.signals,
            *kind.signals,
            samples_signal(CLASSES, size.samples),
            sample_distances_signal(CLASSES, size.samples, 20),
        ),
        queried=np.arange(size.examples),
    )
    return run_fleet(spec, out / "fleets" / name).end


def measured(
    name: str,
    size: Size,
    fleet: FleetSignals,
    data: Dataset,
    membership: Membership,
    judge: SampleJudge,
) -> dict[str, Any]:
    """What the samples of a fleet are worth, and what attacks find."""
    kind = kinds(size)[name]
    rows = slice(size.examples)
    own = replace(data, x=data.x[rows], y=data.y[rows], ids=data.ids[rows])
    seen = attacked(fleet, membership, kind.attacks, own, kind.model.task.signals)
    spread = membership.spread(np.arange(size.examples), len(data)).matrix[seen.targets]
    reference = np.arange(size.examples, len(data))
    made = np.asarray(fleet["samples"])[seen.targets]
    quality = judge.fleet(made, np.arange(made.shape[1]) % CLASSES, spread, reference)
    return {
        "title": kind.title,
        "models": len(seen.targets),
        "notes": seen.notes,
        "quality": {
            word: _mean([getattr(one, word) for one in quality])._asdict()
            for word in SampleQuality._fields
        },
        "attacks": {
            attack: attack_metrics(scores, seen.membership, resamples=RESAMPLES, seed=SEED)[
                "auc"
            ]._asdict()
            for attack, scores in seen.scores.items()
        },
    }


def _mean(values: list[float]) -> Estimate:
    """The mean over the models; there is one number of each."""
    numbers = np.array(values)[:, None]
    chosen = np.ones_like(numbers, bool)
    return masked_mean(numbers, chosen, resamples=RESAMPLES, seed=SEED)


def text_of(found: dict[str, Any]) -> str:
    """All of it as tables of Markdown."""
    words = SampleQuality._fields
    lines = [f"| model | {' | '.join(word.replace('_', ' ') for word in words)} |"]
    lines.append("| --- " * (len(words) + 1) + "|")
    for one in found.values():
        cells = (_cell(one["quality"][word]) for word in words)
        lines.append(f"| {one['title']} | {' | '.join(cells)} |")
    lines += ["", "| model | attack | AUC |", "| --- | --- | --- |"]
    for one in found.values():
        for attack, auc in one["attacks"].items():
            lines.append(f"| {one['title']} | {attack} | {_cell(auc)} |")
    return "\n".join(lines)


def _cell(found: dict[str, float]) -> str:
    return f"{read_estimate(found):.3f}"


def draw(
    fleets: dict[str, FleetSignals],
    titles: dict[str, str],
    data: Dataset,
    membership: Membership,
    path: Path,
) -> None:
    """Samples of the first model of each kind, with what is nearest to them."""
    figure = Figure(figsize=(9, 3.1 * len(fleets)), layout="constrained", dpi=80)
    inputs = data.inputs()
    own = membership.matrix[0]
    pools = np.flatnonzero(own), np.flatnonzero(~own)
    panels = figure.subplots(len(fleets), 1, squeeze=False)[:, 0]
    for axes, (name, fleet) in zip(panels, fleets.items(), strict=True):
        made = np.asarray(fleet["samples"])[0, :SHOWN].reshape(-1, *SHAPE)
        rows = [made, *(inputs[pool[nearest(made, inputs[pool]).row]] for pool in pools)]
        height, width, _ = SHAPE
        grid = np.stack(rows)[..., 0].transpose(0, 2, 1, 3).reshape(3 * height, SHOWN * width)
        axes.imshow(grid, cmap="gray", vmin=0, vmax=1)
        axes.set_xticks([])
        places = [height * (i + 0.5) for i in range(3)]
        axes.set_yticks(places, ["sample", "nearest\nmember", "nearest\nnon-member"])
        axes.set_title(titles[name], fontsize="medium")
    write(path, lambda file: figure.savefig(file, format="png"))


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/generative_fashion"))
@click.option("--size", "name", type=click.Choice(list(SIZES)), default="small")
def main(data: Path, out: Path, name: str) -> None:
    """Trains both fleets, judges and attacks them, and draws samples."""
    with errors_as_sentences(resumable=True):
        size, place = SIZES[name], out / name
        images = clothes(data, size)
        membership = Balanced(models=size.models).draw(size.examples, SEED)
        judge = SampleJudge.of(
            images, np.arange(size.examples, len(images)), cnn([16, 32], 64, CLASSES)
        )
        fleets, found = {}, {}
        for kind in kinds(size):
            fleets[kind] = trained(kind, size, images, membership, place)
            found[kind] = measured(kind, size, fleets[kind], images, membership, judge)
            click.echo(text_of({kind: found[kind]}))
            titles = {kind: one["title"] for kind, one in found.items()}
            write_json(place / "generative_fashion.json", found)
            write_text(place / "generative_fashion.txt", text_of(found) + "\n")
            draw(fleets, titles, images, membership, place / "generative_fashion.png")


if __name__ == "__main__":
    main()
