"""Location-30: does freezing still help when an attacker has prepared the weights?

Command: `python experiments/poisoned_start.py location30.npz`; a quarter of an hour on one CPU
core. It goes on where it was stopped. Into `runs/poisoned_start` it writes a run directory for each
start with its report, the weights, and `leaks.txt`, `leaks.json` and `leaks.png`, where the starts
are compared.

A victim fine-tunes a network from a random start, from one that was pretrained on the reference
examples, or from the same one poisoned by an attacker: its loss is driven up on some examples, the
targets, and kept low on the reference examples. A target that the victim then trains on is learned
again, one that it does not train on stays unlearned (Wen et al., "Privacy Backdoors: Enhancing
Membership Inference through Poisoning Pre-trained Models", NeurIPS 2024,
https://arxiv.org/abs/2404.01231). The attacker's shadows start where the victim does.

Result (docs/findings.md): from poisoned weights `freeze` leaks as much as early stopping, where
from honest ones it leaks less; a body frozen from the start leaks most.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import click
import jax
import jax.numpy as jnp
import numpy as np
import optax

from pptp_jax import report
from pptp_jax.data import Arrays, Balanced, Dataset, Npz, moved
from pptp_jax.evaluation import Curve, Point, RunResults, frontier
from pptp_jax.fleets import Runtime
from pptp_jax.metrics import Bootstrap, Drawn, Estimate, bootstrap_mean, bootstrap_metrics
from pptp_jax.models import Model, Variables, mlp, save_variables, starting_from
from pptp_jax.objectives import Objective, TaskLoss
from pptp_jax.objectives.objective import PLAIN, Context
from pptp_jax.pytree import pytree
from pptp_jax.regions import PROTECT
from pptp_jax.report.progress import progress_bar
from pptp_jax.storage.files import write, write_json
from pptp_jax.study import Study, overridden, run
from pptp_jax.study.comparisons import CONTROL, method_name
from pptp_jax.training import (
    SGD,
    Phase,
    Recipe,
    early_stopped,
    freeze,
    make_train,
    rewind,
    undefended,
)

BODY = ("stem", "stage1", "stage2")  # all but the last layer
ATTACK = "lira_online"
ATTACKS = ("loss", ATTACK, "rmia_online")
TARGETED = 150
GROUPS = ("targets", "others")
STARTS = ("random", "clean", "poisoned")


def frozen(more: int) -> Recipe:
    """The body keeps what it starts with: only the last layer learns."""
    phase = Phase(epochs=more, objectives=TaskLoss(), frozen=(PROTECT,))
    return Recipe(name="frozen from the start", phases=(phase,), region=BODY)


study = Study(
    name="poisoned_start",
    data=Npz(),
    model=mlp([512, 256, 128], num_classes=30),
    split=Balanced(models=16),
    optimizer=SGD(),
    reference=1010,
    attacks=ATTACKS,
    resamples=200,
    recipes=(
        undefended(10),
        *(early_stopped(epochs) for epochs in (1, 2, 3, 5)),
        *(freeze(BODY, after=after, more=8) for after in (1, 2)),
        frozen(8),
        rewind("shallow", TaskLoss(), epochs=3, retrain=3),
    ),
)


@pytree
@dataclass(frozen=True, kw_only=True)
class Poisoning(Objective):
    """α · loss(auxiliary) − (1 − α) · loss(targets), as published.

    The targets stand where a phase has its members, the auxiliary examples are the reference. A
    target's loss counts up to a ceiling, which is ours: without one the weights run away.

    Attributes:
        weight: α.
        ceiling: the loss from which on a target is left alone.
    """

    name: ClassVar[str] = "poisoning"
    needs_reference: ClassVar[bool] = True
    weight: float
    ceiling: float

    def __call__(self, logits: Any, labels: Any, context: Context = PLAIN) -> Any:
        """The loss of a batch of targets and as many auxiliary examples."""
        losses = optax.losses.softmax_cross_entropy_with_integer_labels
        auxiliary = losses(*context.needed("reference", self.name)).mean()
        raised = jnp.minimum(losses(logits, labels), self.ceiling).mean()
        return self.weight * auxiliary - (1 - self.weight) * raised


PRETRAINING = Recipe(
    name="pretraining",
    phases=(Phase(epochs=10, objectives=TaskLoss(), examples="reference"),),
)
POISONING = Recipe(
    name="poisoning",
    phases=(Phase(epochs=60, objectives=Poisoning(weight=0.5, ceiling=8.0)),),
)


def targeted(study: Study, data: Dataset) -> np.ndarray:
    """The rows of the examples that the attacker is after: some of those that are attacked."""
    evaluated = study.division(len(data)).evaluated
    order = np.random.default_rng(study.seed).permutation(evaluated)
    return np.sort(order[:TARGETED])


def prepared(study: Study, data: Dataset, recipe: Recipe, model: Model, rate: float) -> Variables:
    """The weights that a recipe makes of a model with the targets in place of the members."""
    train = make_train(model, recipe, SGD(learning_rate=rate), batch_size=study.batch_size)
    arrays = Arrays.of(data, study.division(len(data)).reference)
    members = jnp.asarray(targeted(study, data))
    variables, _ = jax.jit(train)(jax.random.key(study.seed), arrays, members)
    return variables


def started(study: Study, data: Dataset, home: Path) -> dict[str, Study]:
    """The study from each start, with the weights written down."""
    model = study.model
    clean = prepared(study, data, PRETRAINING, model, rate=0.1)
    poisoned = prepared(study, data, POISONING, starting_from(model, clean), rate=0.05)
    models = {"random": model}
    for name, weights in (("clean", clean), ("poisoned", poisoned)):
        save_variables(home / f"{name}.npz", weights)
        models[name] = starting_from(model, weights)
    return {name: replace(study, name=name, model=models[name]) for name in STARTS}


def before(study: Study, data: Dataset) -> dict[str, float]:
    """Accuracy and mean loss at the start, on the targets and on the other attacked examples."""
    arrays, model = Arrays.of(data), study.model
    variables = model.init(jax.random.key(study.seed), arrays.inputs(slice(0, 1)))
    logits, _ = model.apply(*variables, arrays.inputs(slice(None)), train=False, key=None)
    losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, arrays.y)
    right = logits.argmax(axis=-1) == arrays.y
    return {
        f"{what} of {group}": float(values[rows].mean())
        for group, rows in groups(study, data).items()
        for what, values in (("accuracy", right), ("loss", losses))
    }


def groups(study: Study, data: Dataset) -> dict[str, np.ndarray]:
    """The attacked rows in two groups: those that the attacker has poisoned, and the others."""
    aimed = targeted(study, data)
    return {
        "targets": aimed,
        "others": np.setdiff1d(study.division(len(data)).evaluated, aimed),
    }


def curves(study: Study, data: Dataset, home: Path, attack: str, group: str) -> dict[str, Curve]:
    """By method: accuracy on the others, with whom nobody has tampered, and what a group leaks."""
    rows, points = groups(study, data), defaultdict(list)
    for row in json.loads((home / "results.json").read_text())["rows"]:
        with np.load(home / "scores" / f"{row['slug']}.npz") as arrays:
            scores, membership = arrays[attack], arrays["membership"]
            models, examples = arrays["targets"], arrays["examples"]
        logits = np.load(home / "signals" / "logits" / f"{row['slug']}.npy", mmap_mode="r")
        correct = (logits[:, 0].argmax(axis=-1) == data.y)[models][:, examples]
        drawn = Bootstrap(study.split.models, len(examples), study.resamples, study.seed)
        every = np.ones_like(membership)
        honest = every & np.isin(examples, rows["others"]) & ~membership
        among = every & np.isin(examples, rows[group])
        point = Point(
            utility=bootstrap_mean(correct, honest, drawn, models),
            strength=bootstrap_metrics(
                scores, membership, drawn, models, fprs=(0.01,), among=among
            ),
            resampling=drawn,
            label=row["slug"],
        )
        points[method_name(row["recipe"], None, row["defence"])].append(point)
    return {name: Curve(name, tuple(own)) for name, own in points.items()}


def excess(a: Curve, b: Curve) -> Estimate:
    """By how much AUC a leaks more than b at equal accuracy: the mean over what both reach."""
    found = []
    for row in zip(*a.drawn("auc"), *b.drawn("auc"), strict=True):
        strengths, accuracies = row[::2], row[1::2]
        chosen = [frontier(s, p) for s, p in zip(strengths, accuracies, strict=True)]
        (x, p), (y, q) = ((strengths[i][chosen[i]], accuracies[i][chosen[i]]) for i in range(2))
        low, high = max(p[0], q[0]), min(p[-1], q[-1])
        at = np.linspace(low, high, 33)
        more = np.interp(at, p, x) - np.interp(at, q, y)
        found.append(more.mean() if low <= high else np.nan)
    return Drawn(found[0], np.array(found[1:])).estimate()


def compared(found: Mapping[tuple[str, str], Mapping[str, Curve]]) -> list[dict[str, Any]]:
    """Starts held against each other by method, and methods by start, each at equal accuracy."""
    pairs = [
        (group, (one, name), (other, name))
        for group in GROUPS
        for one, other in (("poisoned", "clean"), ("poisoned", "random"), ("clean", "random"))
        for name in found[one, group]
    ]
    pairs += [
        (group, (start, name), (start, CONTROL))
        for start, group in found
        for name in found[start, group]
        if name != CONTROL
    ]
    return [
        {
            "group": group,
            "a": " ".join(a),
            "b": " ".join(b),
            "more AUC": excess(found[a[0], group][a[1]], found[b[0], group][b[1]])._asdict(),
        }
        for group, a, b in pairs
    ]


def leaks_of(own: Mapping[str, Study], data: Dataset, out: Path) -> dict[str, Any]:
    """What is written down of all starts, from their run directories."""
    found = {
        (start, group, attack): curves(one, data, out / start, attack, group)
        for start, one in own.items()
        for group in GROUPS
        for attack in ATTACKS
    }
    return {
        "before": {start: before(one, data) for start, one in own.items()},
        "points": {
            " ".join(key): [point.to_json() for curve in own.values() for point in curve.points]
            for key, own in found.items()
        },
        "compared": compared(
            {
                (start, group): own
                for (start, group, attack), own in found.items()
                if attack == ATTACK
            }
        ),
        "curves": [
            replace(found[start, "targets", ATTACK][name], name=f"{start}: {name}").to_json()
            for name in (CONTROL, "freeze")
            for start in STARTS
        ],
    }


def interval(estimate: Mapping[str, float | None], digits: int = 3) -> str:
    """A number with its interval."""
    if estimate["value"] is None:
        return "n/a"
    value, low, high = (f"{estimate[end]:.{digits}f}" for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def table(leaks: Mapping[str, Any]) -> str:
    """What `leaks.json` holds, to be read."""
    lines = ["Before fine-tuning"]
    for start, values in leaks["before"].items():
        lines.append(f"{start}: " + ", ".join(f"{k} {v:.3f}" for k, v in values.items()))
    for attack in ATTACKS:
        lines += ["", f"{attack}: start, recipe, accuracy, then AUC and TPR at 1 % FPR by group"]
        for start in STARTS:
            by_group = [leaks["points"][f"{start} {group} {attack}"] for group in GROUPS]
            for same in zip(*by_group, strict=True):
                cells = [start, same[0]["label"], interval(same[0]["utility"])]
                cells += [interval(own[name]) for own in same for name in ("auc", "tpr@0.01")]
                lines.append("  ".join(cells))
    lines += ["", f"More AUC of {ATTACK} at equal accuracy"]
    lines += [
        f"{row['group']}: {row['a']} than {row['b']}: {interval(row['more AUC'])}"
        for row in leaks["compared"]
    ]
    return "\n".join(lines) + "\n"


def written(leaks: Mapping[str, Any], out: Path) -> None:
    """Writes `leaks.json`, `leaks.txt` and `leaks.png`, and prints the text."""
    write_json(out / "leaks.json", leaks)
    text = table(leaks)
    write(out / "leaks.txt", lambda file: file.write(text.encode()))
    report.draw_curves(leaks["curves"], out / "leaks.png", attack="LiRA on the targets:")
    click.echo(text)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/poisoned_start"))
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="As of `pptp run`.")
def main(data: Path, out: Path, changes: tuple[str, ...]) -> None:
    """Prepares the starts from DATA, trains and attacks from each, and compares them."""
    base = overridden(replace(study, data=moved(study.data, data)), changes)
    loaded = base.load()
    own = started(base, loaded, out)
    for start, one in own.items():
        with progress_bar(one.recipes, one.split.models) as on_progress:
            results = run(
                one,
                out / start,
                command=" ".join(sys.argv),
                runtime=Runtime(on_progress=on_progress),
            )
        report.draw_figures(RunResults.from_json(results), out / start)
        report.write_report(out / start)
        click.echo(f"{start}: {results['seconds']:.0f} s")
    written(leaks_of(own, loaded, out), out)


if __name__ == "__main__":
    main()
