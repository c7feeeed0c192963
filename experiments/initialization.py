"""Does initialisation decide how much noisy descent leaks? By depth, at equal accuracy.

Command: `python experiments/initialization.py` (no download). Into `runs/initialization` it writes
`initialization.json`, `initialization.txt` and `initialization.png`.

ReLU networks of several depths, started by LeCun, He, Xavier and as for the NTK, learn digits by
gradient descent on all members with Gaussian noise on the weights. After each step the gradient of
every example adds to its divergence, KL = sum of eta^2 |g|^2 / (2 n^2 s^2), by block: what an
attacker learns at most who sees all weights on the way, of this example, next to a training without
it. LiRA attacks the same networks. All is shown at the first step at which a fleet is right on 85 %
of the examples that it has not seen: a network that cannot learn leaks nothing.

Result (docs/findings.md): at equal accuracy no start leads at all depths, and depth costs. Three
minutes on two CPU cores.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure

from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Balanced, Dataset, Digits
from pptp_jax.fleets import FleetSpec, StoredFleet, run_fleet
from pptp_jax.metrics import attack_metrics, masked_mean
from pptp_jax.models import mlp
from pptp_jax.objectives import TaskLoss
from pptp_jax.privacy import advantage_from_kl, expected_jacobian_norm
from pptp_jax.regions import GENERAL, PROTECT
from pptp_jax.signals import GRADIENT_NORMS
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.training import SGD, Perturbation, Perturbed, Phase, Recipe

NAMES, DEPTHS, WIDTH = ("lecun", "xavier", "he", "ntk"), (1, 2, 4), 64
EXAMPLES, MODELS, STEPS, SEED = 400, 16, 120, 0
RATE, NOISE = 0.2, 0.02  # of a step, and of its noise on each weight
ENOUGH = 0.85


def digits() -> Dataset:
    """Some of the digits."""
    data = Digits().load()
    rows = np.sort(np.random.default_rng(SEED).permutation(len(data))[:EXAMPLES])
    return replace(data, x=data.x[rows], y=data.y[rows], ids=data.ids[rows])


def trained(name: str, depth: int, data: Dataset, out: Path) -> StoredFleet:
    """Networks that learn by noisy descent on all their members, with a stop after each step."""
    model = mlp([WIDTH] * depth, num_classes=10, activation="relu", initialization=name)
    membership = Balanced(models=MODELS).draw(EXAMPLES, SEED).matrix
    noise = Perturbation(stddev=NOISE / RATE)
    everywhere = Perturbed({PROTECT: noise, GENERAL: noise})
    phase = Phase(epochs=STEPS, objectives=TaskLoss(), gradient=everywhere)
    spec = FleetSpec(
        model=model,
        recipe=Recipe(name="noisy descent", phases=(phase,), region="stem"),
        data=data,
        members=np.stack([np.flatnonzero(own) for own in membership]),
        optimizer=SGD(learning_rate=RATE, momentum=0.0, weight_decay=0.0, schedule="constant"),
        batch_size=EXAMPLES // 2,
        signals=(replace(GRADIENT_NORMS, at="stops"),),
        stops=tuple(range(1, STEPS)),
    )
    return run_fleet(spec, out / "fleets" / f"{name}_{depth}")


def row(name: str, depth: int, data: Dataset, out: Path) -> dict[str, Any]:
    """The leakage of an initialisation, at equal accuracy and at the end."""
    fleet = trained(name, depth, data, out)
    membership = Balanced(models=MODELS).draw(EXAMPLES, SEED).matrix
    finite = fleet.end.finite  # deep networks may diverge
    membership = membership[finite]
    members, inputs = EXAMPLES // 2, data.inputs().reshape(EXAMPLES, -1)
    squared = float(np.square(inputs).sum(axis=1).mean())
    accuracy = [float(fleet[step].utility[finite][~membership].mean()) for step in fleet]
    norms = np.stack([np.asarray(fleet[step]["gradient_norms"])[finite] for step in fleet])
    each = np.cumsum((RATE * norms / (members * NOISE)) ** 2 / 2, axis=0)  # steps models blocks ex.
    # Of members alone: the divergence is from the training without the example.
    kl = np.stack([own.mean(axis=(0, 2)) for own in _of_members(each, membership)])
    knows = next((i for i, value in enumerate(accuracy) if value >= ENOUGH), None)
    found = {
        "name": name,
        "depth": depth,
        "diverged": int((~finite).sum()),
        "start": expected_jacobian_norm((64, *[WIDTH] * depth, 10), name, squared),
        "accuracy": accuracy,
        "kl": kl.sum(axis=1).tolist(),
        "blocks": (kl[-1] / kl[-1].sum()).tolist(),
        "step": None if knows is None else knows + 1,
    }
    for word, at in (("enough", knows), ("end", len(accuracy) - 1)):
        if at is None:
            continue
        seen = fleet[at + 1]
        scores = attack_targets(
            ATTACKS["lira_online"],
            np.asarray(seen.confidence)[finite],
            membership,
            targets=range(len(membership)),
        )
        metrics = attack_metrics(scores, membership, resamples=200, seed=SEED)
        own = each[at].sum(axis=1)[membership]
        found[word] = {
            "auc": metrics["auc"]._asdict(),
            "accuracy": masked_mean(
                seen.utility[finite], ~membership, resamples=200, seed=SEED
            )._asdict(),
            "kl": float(own.mean()),
            "advantage": float(np.mean(advantage_from_kl(own))),
        }
    return found


def _of_members(each: np.ndarray, membership: np.ndarray) -> list[np.ndarray]:
    """The members' part of each step, (models, blocks, members)."""
    rows = np.stack([np.flatnonzero(own) for own in membership])
    return [np.take_along_axis(step, rows[:, None], axis=2) for step in each]


def text_of(rows: list[dict[str, Any]]) -> str:
    """All of it as a table of Markdown."""
    lines = [
        "| hidden layers | start | E of the Jacobian | step | KL | advantage, at most | LiRA | "
        "accuracy at the end | LiRA there |"
    ]
    lines.append("| --- " * 9 + "|")
    for one in rows:
        known, end = one.get("enough"), one["end"]
        middle = "never | | | |"
        if known is not None:
            middle = (
                f"{one['step']} | {known['kl']:.3f} | {known['advantage']:.2f} | "
                f"{_cell(known['auc'])} |"
            )
        lines.append(
            f"| {one['depth']} | {one['name']} | {one['start']:.3g} | {middle} "
            f"{_cell(end['accuracy'])} | {_cell(end['auc'])} |"
        )
    return "\n".join(lines)


def _cell(found: dict[str, float]) -> str:
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """KL over accuracy, a panel for each depth."""
    figure = Figure(figsize=(13, 4), layout="constrained", dpi=80)
    for axes, depth in zip(figure.subplots(1, len(DEPTHS), sharey=True), DEPTHS, strict=True):
        for one in (one for one in rows if one["depth"] == depth):
            axes.plot(one["accuracy"], one["kl"], label=one["name"])
        axes.set_yscale("log")
        axes.axvline(ENOUGH, color="k", linewidth=0.8, linestyle=":")
        axes.set_title(f"{depth} hidden layers of {WIDTH}", fontsize="medium")
        axes.set_xlabel("accuracy on non-members")
    axes.legend(fontsize="small")
    figure.axes[0].set_ylabel("KL of a member so far, mean")
    write(path, lambda file: figure.savefig(file, format="png"))


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/initialization"))
def main(out: Path) -> None:
    """Trains the fleets, attacks them and draws the leakage."""
    with errors_as_sentences(resumable=True):
        data = digits()
        rows = []
        for depth in DEPTHS:
            for name in NAMES:
                rows.append(row(name, depth, data, out))
                click.echo(text_of(rows[-1:]).splitlines()[-1])
        write_json(out / "initialization.json", {"rows": rows})
        write_text(out / "initialization.txt", text_of(rows) + "\n")
        draw(rows, out / "initialization.png")


if __name__ == "__main__":
    main()
