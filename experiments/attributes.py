"""Which attributes cost privacy? Gradient norms by input, and whether they predict leakage.

Command: `python experiments/attributes.py` on the digits and on scikit-learn's table of breast
cancer, or `python experiments/attributes.py location30.npz` on Location-30 as well. Into
`runs/attributes` it writes `attributes.json`, `attributes.txt` and `attributes.png`.

Three questions. Where in an image, and in which columns of a table, does the norm of an example's
gradient depend on the input? Do examples with susceptible gradients leak: does the mean over OUT
networks predict how well LiRA finds an example, better than their loss does? And what changes if
Location-30 loses the k attributes whose flip moves the norm most, compared with k random ones?

Result: docs/findings.md. One minute on two busy CPU cores, and ten with Location-30.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import rankdata
from sklearn.datasets import load_breast_cancer

from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Arrays, Balanced, Dataset, Digits, Npz
from pptp_jax.metrics import attack_metrics, masked_mean
from pptp_jax.models import Model, Variables, mlp
from pptp_jax.signals import collect, flipped_norms, input_susceptibility
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.training import SGD, train_fleet, undefended

MODELS, SEED, RESAMPLES = 16, 0, 500
DROPPED = (50, 150, 300)


def table() -> Dataset:
    """Scikit-learn's table of breast cancer, in units of deviations."""
    found = load_breast_cancer()
    x = ((found.data - found.data.mean(axis=0)) / found.data.std(axis=0)).astype(np.float32)
    return Dataset("breast cancer", x, found.target.astype(int), np.arange(len(x)), 2)


def few(data: Dataset, examples: int) -> Dataset:
    """Some of the examples, at random."""
    rows = np.sort(np.random.default_rng(SEED).permutation(len(data))[:examples])
    return replace(data, x=data.x[rows], y=data.y[rows], ids=data.ids[rows])


class Trained:
    """A fleet on halves of the data, and what LiRA finds of it."""

    def __init__(self, data: Dataset, model: Model, epochs: int) -> None:
        self.data, self.model = Arrays.of(data), model
        self.rows = jnp.arange(len(data))
        self.membership = Balanced(models=MODELS).draw(len(data), SEED).matrix
        members = np.stack([np.flatnonzero(own) for own in self.membership])
        [fleet] = train_fleet(model, undefended(epochs), self.data, members, optimizer=SGD())
        self.fleet: Variables = fleet.variables
        seen = jax.lax.map(
            lambda own: collect(model.answering(own), self.data, task=model.task), self.fleet
        )
        self.confidence = np.asarray(seen["confidence"])
        self.loss = np.logaddexp(0, -self.confidence[:, 0])
        self.right = np.asarray(seen["correct"])[:, 0]
        self.scores = attack_targets(
            ATTACKS["lira_online"], self.confidence, self.membership, targets=range(MODELS)
        )

    def outside(self, values: np.ndarray) -> np.ndarray:
        """The mean over the networks that have not seen an example."""
        out = ~self.membership
        return (values * out).sum(axis=0) / out.sum(axis=0)

    @property
    def risk(self) -> np.ndarray:
        """How well LiRA finds each example: the AUC over the networks."""
        ranks = rankdata(self.scores, axis=0)
        inside = self.membership.sum(axis=0)
        above = (ranks * self.membership).sum(axis=0) - inside * (inside + 1) / 2
        return above / (inside * (MODELS - inside))


def foretelling(trained: Trained) -> dict[str, Any]:
    """The rank correlations of what can be known of an example with how well LiRA finds it."""
    found = input_susceptibility(trained.model, trained.fleet, trained.data, trained.rows)
    size = np.asarray(jnp.sqrt(jnp.square(found.values).reshape(*found.norms.shape, -1).sum(-1)))
    known = {
        "loss": trained.outside(trained.loss),
        "gradient norm": trained.outside(np.asarray(found.norms)),
        "susceptibility": trained.outside(size),
    }
    risk, rng = trained.risk, np.random.default_rng(SEED)
    drawn = [np.arange(len(risk)), *rng.integers(0, len(risk), (RESAMPLES, len(risk)))]
    values = {
        name: np.array([_correlation(own[rows], risk[rows]) for rows in drawn])
        for name, own in known.items()
    }
    values["susceptibility over loss"] = values["susceptibility"] - values["loss"]
    values["gradient norm over loss"] = values["gradient norm"] - values["loss"]
    return {
        name: dict(zip(("value", "low", "high"), _interval(own), strict=True))
        for name, own in values.items()
    } | {"auc": _auc(trained)}


def _interval(drawn: np.ndarray) -> tuple[float, float, float]:
    low, high = np.quantile(drawn[1:], [0.025, 0.975])
    return float(drawn[0]), float(low), float(high)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def _auc(trained: Trained) -> dict[str, Any]:
    found = attack_metrics(trained.scores, trained.membership, resamples=RESAMPLES, seed=SEED)
    return found["auc"]._asdict()


def shares(trained: Trained) -> np.ndarray:
    """The share of each attribute in the absolute susceptibility of examples not seen, by class."""
    found = input_susceptibility(trained.model, trained.fleet, trained.data, trained.rows)
    size = np.abs(np.asarray(found.values)).reshape(MODELS, len(trained.rows), -1)
    out = ~trained.membership[..., None]
    mean = (size * out).sum(axis=0) / out.sum(axis=0)
    labels = np.asarray(trained.data.y)
    own = np.stack([mean[labels == label].mean(axis=0) for label in np.unique(labels)])
    return own / own.sum(axis=1, keepdims=True)


def telling(trained: Trained, models: int = 4, examples: int = 200) -> np.ndarray:
    """How much flips of each attribute move the norms of examples that networks have not seen."""
    total = np.zeros(trained.data.x.shape[1])
    for model in range(models):
        own = Variables(*(_only(tree, model) for tree in trained.fleet))
        rows = np.flatnonzero(~trained.membership[model])[:examples]
        moved = flipped_norms(trained.model, own, trained.data, jnp.asarray(rows))
        total += np.abs(np.asarray(moved[0])).mean(axis=0)
    return total / models


def _only(tree: Any, model: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[model : model + 1], tree)


def dropping(data: Dataset) -> list[dict[str, Any]]:
    """What LiRA finds, and what networks know, without k attributes: telling or random ones."""
    model = mlp([512, 256, 128], num_classes=data.num_classes or 0)
    every = Trained(data, model, 15)
    order = np.argsort(-telling(every))
    rng = np.random.default_rng(SEED)
    rows = [_row("all", 0, every)]
    for k in DROPPED:
        ways = {"most telling": order[:k], "least telling": order[-k:]}
        ways |= {f"random {i + 1}": rng.permutation(len(order))[:k] for i in range(2)}
        for name, chosen in ways.items():
            kept = np.delete(np.arange(len(order)), chosen)
            rows.append(_row(name, k, Trained(replace(data, x=data.x[:, kept]), model, 15)))
            click.echo(rows[-1])
    return rows


def _row(name: str, dropped: int, trained: Trained) -> dict[str, Any]:
    accuracy = masked_mean(trained.right, ~trained.membership, resamples=RESAMPLES, seed=SEED)
    return {
        "dropped": dropped,
        "which": name,
        "auc": _auc(trained),
        "accuracy": accuracy._asdict(),
    }


def draw(images: np.ndarray, columns: np.ndarray, names: list[str], path: Path) -> None:
    """A map for each class of images, and the most telling columns of the table."""
    figure = Figure(figsize=(13, 4.8), layout="constrained", dpi=80)
    left, right = figure.subfigures(1, 2, width_ratios=(1.2, 1))
    left.suptitle("Digits: share of each pixel in the susceptibility, by class", fontsize="medium")
    for i, (axes, image) in enumerate(zip(left.subplots(2, 5).ravel(), images, strict=True)):
        axes.imshow(image.reshape(8, 8), cmap="magma")
        axes.set_title(str(i), fontsize="small")
        axes.set_axis_off()
    axes = right.subplots()
    order = np.argsort(columns)[-12:]
    axes.barh([names[i] for i in order], columns[order], color="#b3421f")
    axes.axvline(1 / len(columns), color="k", linewidth=0.8, linestyle=":")
    axes.set_title("Breast cancer: the twelve most telling columns", fontsize="medium")
    axes.set_xlabel("share of the susceptibility; dotted: if all were alike")
    write(path, lambda file: figure.savefig(file, format="png"))


def text_of(found: dict[str, Any]) -> str:
    """All of it as tables of Markdown."""

    def cell(found: dict[str, float]) -> str:
        return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"

    data = list(found["foretelling"])
    lines = [f"| rank correlation with LiRA's AUC by example | {' | '.join(data)} |"]
    lines.append("| --- " * (len(data) + 1) + "|")
    for name in found["foretelling"][data[0]]:
        own = [cell(found["foretelling"][one][name]) for one in data]
        lines.append(f"| {'LiRA, AUC' if name == 'auc' else name} | {' | '.join(own)} |")
    if rows := found.get("dropping"):
        lines += ["", "| dropped | which | LiRA, AUC | accuracy |", "| --- " * 4 + "|"]
        for row in rows:
            own = f"{cell(row['auc'])} | {cell(row['accuracy'])}"
            lines.append(f"| {row['dropped']} | {row['which']} | {own} |")
    return "\n".join(lines)


@click.command()
@click.argument("location", type=click.Path(path_type=Path, exists=True), required=False)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/attributes"))
def main(location: Path | None, out: Path) -> None:
    """Trains fleets and asks them; LOCATION is the file of Location-30."""
    with errors_as_sentences():
        digits = Trained(few(Digits().load(), 400), mlp([64], num_classes=10), 30)
        cancer = Trained(few(table(), 568), mlp([64], num_classes=2), 30)
        found: dict[str, Any] = {
            "foretelling": {"digits": foretelling(digits), "breast cancer": foretelling(cancer)}
        }
        columns = shares(cancer).mean(axis=0)
        names = [str(name) for name in load_breast_cancer().feature_names]
        found["columns"] = dict(zip(names, columns.tolist(), strict=True))
        out.mkdir(parents=True, exist_ok=True)
        draw(shares(digits), columns, names, out / "attributes.png")
        if location is not None:
            data = few(Npz(str(location)).load(), 2000)
            model = mlp([512, 256, 128], num_classes=30)
            found["foretelling"]["Location-30"] = foretelling(Trained(data, model, 15))
            found["dropping"] = dropping(data)
        write_json(out / "attributes.json", found)
        write_text(out / "attributes.txt", text_of(found) + "\n")
        click.echo(text_of(found))


if __name__ == "__main__":
    main()
