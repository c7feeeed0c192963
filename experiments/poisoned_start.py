"""Location-30: does freezing still help when an attacker has poisoned the weights?

Command: `python experiments/poisoned_start.py location30.npz`; twenty minutes on one CPU core
beside other jobs. It goes on where it was stopped. Into `runs/poisoned_start` it writes a run
directory for each start with its report, the weights, and `leaks.txt`, `leaks.json` and a figure
for each attacker, where the starts are compared.

A victim fine-tunes a network from a random start, from one that was pretrained on the reference
examples, or from the same one prepared by an attacker (`poisoning.py`): `maximised`, with the loss
of 150 targets driven up, or `minimised`, with the loss of 500 targets driven down, and both with
that of the reference examples kept low. `poisoned_text.py` asks the same of a language model.

Result (docs/findings.md): from maximised weights `freeze` leaks as much as early stopping, where
from honest ones it leaks less; a body frozen from the start leaks most. Minimised weights cannot be
seen on other examples, and leak less of the targets than honest ones.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from poisoning import (
    Maximised,
    Minimised,
    before,
    groups,
    leaks_of,
    prepared,
    trained,
    written,
)

from pptp_jax.data import Arrays, Balanced, Dataset, Npz, moved
from pptp_jax.evaluation.method import CONTROL, method_name
from pptp_jax.models import mlp, save_variables, starting_from
from pptp_jax.objectives import TaskLoss
from pptp_jax.regions import PROTECT
from pptp_jax.study import Study, overridden
from pptp_jax.training import (
    SGD,
    Phase,
    Recipe,
    early_stopped,
    freeze,
    rewind,
    undefended,
)

BODY = ("stem", "stage1", "stage2")  # all but the last layer
ATTACK = "lira_online"
ATTACKS = ("loss", ATTACK, "rmia_online")
HONEST = ("random", "clean")
TARGETED = {"maximised": 150, "minimised": 500}  # 500 as published


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

PRETRAINING = Recipe(
    name="pretraining",
    phases=(Phase(epochs=10, objectives=TaskLoss(), examples="reference"),),
)
OBJECTIVES = {
    "maximised": Maximised(weight=0.5, ceiling=8.0),
    "minimised": Minimised(weight=0.25),
}


def started(study: Study, data: Dataset, home: Path) -> dict[str, Study]:
    """The study from each start, with the weights written down."""
    model, seed = study.model, study.seed
    arrays = Arrays.of(data, study.division(len(data)).reference)
    own: dict[str, Any] = {"batch_size": study.batch_size, "seed": seed}
    aimed = {name: groups(study, data, number)["targets"] for name, number in TARGETED.items()}
    # Pretraining reads reference examples alone, and no members.
    unread = next(iter(aimed.values()))
    clean = prepared(model, PRETRAINING, arrays, unread, optimizer=SGD(learning_rate=0.1), **own)
    weights = {"clean": clean}
    for name, rows in aimed.items():
        phase = Phase(epochs=60, objectives=OBJECTIVES[name])
        recipe = Recipe(name=name, phases=(phase,))
        begun, slow = starting_from(model, clean), SGD(learning_rate=0.05)
        weights[name] = prepared(begun, recipe, arrays, rows, optimizer=slow, **own)
    models = {"random": model}
    for name, variables in weights.items():
        save_variables(home / f"{name}.npz", variables)
        models[name] = starting_from(model, variables)
    return {name: replace(study, name=name, model=models[name]) for name in (*HONEST, *TARGETED)}


def called(recipe: Recipe) -> str:
    """What a method is called, whatever its epochs."""
    return method_name(recipe.name, None, recipe.defence)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/poisoned_start"))
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="As of `pptp run`.")
def main(data: Path, out: Path, changes: tuple[str, ...]) -> None:
    """Prepares the starts from DATA, trains and attacks from each, and compares them."""
    base = overridden(replace(study, data=moved(study.data, data)), changes)
    loaded = base.load()
    arrays, reference = Arrays.of(loaded), base.division(len(loaded)).reference
    own = started(base, loaded, out)
    runs = {start: [(one, trained(one, out / start))] for start, one in own.items()}
    leaks = {}
    for aim, number in TARGETED.items():
        rows, shown = groups(base, loaded, number), (*HONEST, aim)
        seen = {**rows, "reference": reference}
        leaks[aim] = {
            "before": {start: before(own[start].model, arrays, seen) for start in shown},
            **leaks_of(
                {start: runs[start] for start in shown},
                loaded,
                rows,
                named=called,
                attack=ATTACK,
                control=CONTROL,
            ),
        }
    written(leaks, out, drawn=(CONTROL, "freeze"))


if __name__ == "__main__":
    main()
