"""What private training does to robustness: DP-SGD, its two halves, and `freeze`, on digits.

Command: `python experiments/private_robustness.py` (no download). Into `runs/private_robustness` it
writes `private_robustness.json`, `private_robustness.txt` and `private_robustness.png`.

Small networks learn half of 800 digits: without a defence, stopped early, by `freeze`, by DP-SGD
with Poisson batches at several noises and norms, by clipping alone, and by noise alone. Each is
looked at on digits that it has not seen: accuracy under FGSM, PGD, inputs found on other networks
and corruptions, the distance to the decision boundary (by gradients, and by labels alone) and the
curvature of the loss. PGD follows φ and the margin, and the worse of the two counts for each digit.
`masking_warnings` says where gradients mislead. Robust accuracy falls with accuracy, so every
measure stands over the accuracy, beside networks that were stopped early.

Result (docs/findings.md): noise costs robustness, far beyond accuracy, and clipping to norm 1 does
not. Three minutes of one CPU core.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Arrays, Balanced, Digits
from pptp_jax.evaluation import read_estimate
from pptp_jax.metrics import masked_mean
from pptp_jax.models import Variables, mlp
from pptp_jax.objectives import TaskLoss
from pptp_jax.regions import GENERAL, PROTECT
from pptp_jax.robustness import (
    CORRUPTIONS,
    Robustness,
    input_geometry,
    masking_warnings,
    right_when_disturbed,
)
from pptp_jax.signals import boundary_distance
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.study.guarantee import guarantee
from pptp_jax.training import (
    SGD,
    Perturbation,
    Perturbed,
    Phase,
    Poisson,
    Private,
    Recipe,
    dp_sgd,
    early_stopped,
    freeze,
    train_fleet,
    undefended,
)

MODELS, EXAMPLES, SEEN, BATCH, EPOCHS, SEED = 8, 800, 100, 50, 30, 0
MODEL = mlp([64], num_classes=10)
HOW = Robustness(
    epsilons=(0.1,),
    l2_epsilons=(0.5,),
    steps=(5, 40),
    noise=(),
    corruptions=CORRUPTIONS,
    severities=(1, 3, 5),
    surrogates=4,
    eigenvalues=3,
)
# PGD that raises all other classes may miss the nearest. φ of logits that are so much larger
# is the margin to the nearest class; predictions stay what they are.
SHARP = replace(
    MODEL,
    apply=lambda params, state, x, *, train, key: (
        100 * MODEL.apply(params, state, x, train=train, key=key)[0],
        state,
    ),
)
BY_MARGIN = replace(HOW, steps=(40,), corruptions=(), surrogates=0)
BY_LABELS, BY_GRADIENTS = "a search by labels alone", "a search by gradients"


def private(noise: float, norm: float) -> Recipe:
    """DP-SGD with Poisson batches; clipping alone, if there is no noise."""
    rule = Private(noise_multiplier=noise, max_norm=norm)
    return dp_sgd(rule, epochs=EPOCHS, batches=Poisson())


def noisy(noise: float, norm: float) -> Recipe:
    """The noise that DP-SGD would add to the mean gradient, without its clipping."""
    own = Perturbation(stddev=noise * norm / BATCH)
    everywhere = Perturbed({PROTECT: own, GENERAL: own})
    phase = Phase(epochs=EPOCHS, objectives=TaskLoss(), gradient=everywhere)
    return Recipe(name="noise alone", phases=(phase,), region="stem")


RECIPES: dict[str, Recipe] = {
    "undefended": undefended(EPOCHS),
    **{f"stopped after {epochs}": early_stopped(epochs) for epochs in (1, 2, 4, 8)},
    "freeze after 4": freeze("not head", after=4, more=EPOCHS - 4),
    **{f"clipping alone, C {norm:g}": private(0.0, norm) for norm in (1.0, 0.1)},
    **{f"noise alone, as of σ {noise:g}, C 1": noisy(noise, 1.0) for noise in (1.0, 4.0)},
    **{f"DP-SGD, σ {noise:g}, C 1": private(noise, 1.0) for noise in (0.5, 1.0, 2.0, 4.0)},
    **{f"DP-SGD, σ {noise:g}, C 0.1": private(noise, 0.1) for noise in (1.0, 4.0)},
}
# What the figure shows, and its titles.
SHOWN = {
    "PGD-40, L∞ 0.1": "right under PGD-40 within 0.1 of each pixel",
    "transfer, L∞ 0.1": "right on inputs found on other networks, 0.1",
    "corrupted": "right under corruptions, mean of kinds and severities",
    "distance": "distance to the boundary, by gradients",
    "distance by labels": "distance to the boundary, by labels alone",
    "curvature": "largest eigenvalue of the input Hessian",
}
# Points of the figure that lie apart from the crowd at .92.
NAMED = {
    "stopped after 1": "1 epoch",
    **{f"stopped after {epochs}": f"{epochs} epochs" for epochs in (2, 4)},
    **{f"DP-SGD, σ {noise}, C 1": f"σ {noise}" for noise in (2, 4)},
    "noise alone, as of σ 4, C 1": "as of σ 4",
    "DP-SGD, σ 4, C 0.1": "σ 4",
}
# The table has these as well.
MORE = ("transfer, L2 0.5", "PGD-40, L2 0.5", "PGD-40, L2 0.5, by φ alone", "linear distance")


class Measured:
    """The data, who has seen what, and the networks that transferred inputs are found on."""

    def __init__(self) -> None:
        data = Digits().load()
        rows = np.sort(np.random.default_rng(SEED).permutation(len(data))[:EXAMPLES])
        self.rows, self.data = rows, Arrays.of(data)
        self.membership = Balanced(models=MODELS).draw(EXAMPLES, SEED).matrix
        order = np.random.default_rng(SEED).permutation(EXAMPLES)
        self.seen = np.stack([order[~own[order]][:SEEN] for own in self.membership])
        self.chosen = np.zeros(self.membership.shape, bool)
        np.put_along_axis(self.chosen, self.seen, True, axis=1)
        self.others = self.trained(RECIPES["undefended"], seed=SEED + 1, models=HOW.surrogates)

    def trained(self, recipe: Recipe, seed: int = SEED, models: int = MODELS) -> Variables:
        """The networks of a recipe, each on its half of the digits."""
        members = np.stack([self.rows[own] for own in self.membership[:models]])
        [fleet] = train_fleet(
            MODEL, recipe, self.data, members, optimizer=SGD(), batch_size=BATCH, seed=seed
        )
        return fleet.variables

    def mean(self, pairs: np.ndarray, known: np.ndarray | None = None) -> dict[str, Any]:
        """A mean over networks and the digits that they have not seen, with its interval."""
        of_all = np.zeros(self.chosen.shape)
        np.put_along_axis(of_all, self.seen, pairs, axis=1)
        chosen = self.chosen.copy()
        if known is not None:
            np.put_along_axis(chosen, self.seen, known, axis=1)
        found = masked_mean(np.where(chosen, of_all, 0), chosen, seed=SEED)
        return found._asdict()

    def row(self, name: str, recipe: Recipe) -> dict[str, Any]:
        """All measures of one recipe."""
        fleet, key = self.trained(recipe), jax.random.key(SEED)
        rows = jnp.asarray(self.rows[self.seen])
        right = np.asarray(
            right_when_disturbed(MODEL, fleet, self.data, rows, key, HOW, self.others)
        )
        around = input_geometry(MODEL, fleet, self.data, rows, key, eigenvalues=HOW.eigenvalues)
        by_labels = np.concatenate(
            [
                boundary_distance(MODEL, _only(fleet, i), self.data, own, key, queries=400)
                for i, own in enumerate(rows)
            ]
        )
        linear, found, bent = map(np.asarray, around)
        trials = {trial: right[:, i] for i, trial in enumerate(HOW.trials)}
        by_phi = dict(trials)
        margin = np.asarray(right_when_disturbed(SHARP, fleet, self.data, rows, key, BY_MARGIN))
        for i, trial in enumerate(BY_MARGIN.trials):
            if trial.kind == "pgd":
                trials[trial] = np.minimum(trials[trial], margin[:, i])
        known = (linear > 0) & np.isfinite(found)
        values = {_words(trial): self.mean(own) for trial, own in trials.items()}
        for i, trial in enumerate(HOW.trials):
            if trial.kind == "pgd" and trial.steps == max(HOW.steps):
                values[f"{_words(trial)}, by φ alone"] = self.mean(right[:, i])
        harmed = [own for trial, own in trials.items() if trial.kind in CORRUPTIONS]
        values["corrupted"] = self.mean(np.mean(harmed, axis=0))
        distances = {
            "linear distance": linear,
            "distance": np.where(known, found, 0),
            "distance by labels": by_labels,
            "curvature": bent[:, 0],
            "curvature 3": bent[:, 2],
        }
        values |= {word: self.mean(own, known) for word, own in distances.items()}
        spread = {BY_GRADIENTS: found, BY_LABELS: by_labels}
        warned = partial(masking_warnings, chosen=known | True, distances=spread, seed=SEED)
        budget = guarantee(recipe, MODEL, EXAMPLES // 2, BATCH)
        return {
            "name": name,
            "epsilon": None if budget is None else budget.epsilon,
            "values": values,
            "warnings": warned(trials),
            "warnings by φ alone": warned(by_phi),
        }


def _only(fleet: Variables, model: int) -> Variables:
    return jax.tree.map(lambda leaf: leaf[model : model + 1], fleet)


def _words(trial: Any) -> str:
    if trial.kind in CORRUPTIONS:
        return f"{trial.kind} {trial.size:g}"
    if trial.kind == "clean":
        return "clean"
    kind = {"fgsm": "FGSM", "pgd": f"PGD-{trial.steps}"}.get(trial.kind, trial.kind)
    return f"{kind}, {'L∞' if trial.norm == 'linf' else 'L2'} {trial.size:g}"


def text_of(rows: list[dict[str, Any]]) -> str:
    """The measures as a table of Markdown, and the warnings."""
    columns = ["clean", *SHOWN, *MORE]
    lines = [f"| recipe | ε | {' | '.join(columns)} |", "| --- " * (len(columns) + 2) + "|"]
    for one in rows:
        cells = [_cell(one["values"][column]) for column in columns]
        budget = "none" if one["epsilon"] is None else f"{one['epsilon']:.1f}"
        lines.append(f"| {one['name']} | {budget} | {' | '.join(cells)} |")
    lines += [f"\nwarning: {one['name']}: {warning}" for one in rows for warning in one["warnings"]]
    return "\n".join(lines)


def _cell(found: dict[str, Any]) -> str:
    return f"{read_estimate(found):.3f}"


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Each measure over the accuracy; early stopping is the line to compare with."""
    figure = Figure(figsize=(13, 8.5), layout="constrained", dpi=80)
    kinds = {"stopped": "k", "undefended": "k", "freeze": "C2", "clipping": "C0", "noise": "C4"}
    for axes, (word, title) in zip(figure.subplots(2, 3).ravel(), SHOWN.items(), strict=True):
        stops = [one for one in rows if one["name"].startswith(("stopped", "undefended"))]
        stops.sort(key=lambda one: one["values"]["clean"]["value"])
        line = [[one["values"][name]["value"] for one in stops] for name in ("clean", word)]
        axes.plot(*line, color="k", linewidth=0.8, alpha=0.5)
        for one in rows:
            own, begin = one["values"], one["name"].split()[0]
            colour, small = kinds.get(begin, "C1"), "C 0.1" in one["name"]
            x, y = own["clean"], own[word]
            axes.errorbar(
                x["value"],
                y["value"],
                xerr=[[x["value"] - x["low"]], [x["high"] - x["value"]]],
                yerr=[[y["value"] - y["low"]], [y["high"] - y["value"]]],
                fmt="s" if small else "o",
                color=colour,
                ecolor=colour,
                elinewidth=0.6,
                fillstyle="none" if one["warnings"] else "full",
            )
            if one["name"] in NAMED:
                at = x["value"], y["value"]
                axes.annotate(
                    NAMED[one["name"]], at, xytext=(5, 4), textcoords="offset points", fontsize=8
                )
        axes.set_title(title, fontsize="medium")
        axes.set_xlabel("accuracy on clean digits")
        if word == "curvature":
            axes.set_yscale("log")
    warned = sum(bool(one["warnings"]) for one in rows)
    figure.suptitle(
        "black: early stopping; green: freeze; blue: clipping alone; purple: noise alone; orange: "
        f"DP-SGD; squares: C 0.1; hollow: with a warning ({warned} of {len(rows)})",
        fontsize="small",
    )
    write(path, lambda file: figure.savefig(file, format="png"))


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/private_robustness"))
def main(out: Path) -> None:
    """Trains the fleets, measures their robustness and draws it over their accuracy."""
    with errors_as_sentences(resumable=False):
        measured = Measured()
        rows = []
        for name, recipe in RECIPES.items():
            rows.append(measured.row(name, recipe))
            click.echo(text_of(rows[-1:]).split("\n", 2)[-1])
        write_json(out / "private_robustness.json", {"rows": rows})
        write_text(out / "private_robustness.txt", text_of(rows) + "\n")
        draw(rows, out / "private_robustness.png")


if __name__ == "__main__":
    main()
