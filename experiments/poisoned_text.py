"""Python's documentation: how much do adapters and regions leak after a poisoned start?

Command: `python experiments/poisoned_text.py` (no download); a quarter of an hour on one CPU core.
It goes on where it was stopped. Into `runs/poisoned_text` it writes the weights of each start, run
directories for each start with their reports, and `leaks.txt`, `leaks.json` and a figure for each
attacker.

The decoder of `topics.py`, pretrained on the first part of the topics, is fine-tuned on 300 of 600
paragraphs of the second part: from the weights that pretraining left, or from weights that an
attacker has trained further on 300 targets among the 600, with their loss driven up (`maximised`)
or down (`minimised`) and that of the first part kept low (`poisoning.py`). The victim trains all
weights, all but the embedding and the first block, the head, adapters of rank 2, or adapters by
DP-SGD. Its ε is that of membership in the fine-tuning, and holds whatever the start is, as long as
who prepared it did not know who would be a member.

Result (docs/language.md): minimised weights have fewer bits on other text than honest ones, and
leak more, mostly of others than the targets; they take away what thin adapters gain. Maximised ones
are easily seen. DP-SGD leaks more from minimised weights as well, at the same ε.
"""

from dataclasses import replace
from pathlib import Path

import click
import jax
import numpy as np
import optax
from poisoning import (
    Maximised,
    Minimised,
    Rows,
    before,
    groups,
    leaks_of,
    prepared,
    trained,
    written,
)

from pptp_jax.attacks import ATTACKS
from pptp_jax.data import Arrays, Balanced, Dataset, Topics
from pptp_jax.evaluation import Measure
from pptp_jax.models import Model, lora, save_variables, starting_from
from pptp_jax.objectives import TaskLoss
from pptp_jax.regions import PROTECT, Region
from pptp_jax.study import Study, load_study, overridden
from pptp_jax.study.guarantee import guarantee
from pptp_jax.training import Phase, Poisson, Private, Recipe, dp_sgd

TARGETED, RANK = 300, 2
ATTACK, CONTROL, HONEST = "lira_online", "all weights", "honest"
OBJECTIVES = {
    # In nats a byte; the honest loss of the targets is 2.4.
    "maximised": Maximised(weight=0.75, ceiling=3.5),
    "minimised": Minimised(weight=0.25),  # as in the authors' code
}
EPOCHS = {"maximised": 5, "minimised": 20}


def tuned(name: str, epochs: int, keep: Region | None = None) -> Recipe:
    """The model learns, but for a region that keeps what it starts with."""
    frozen = () if keep is None else (PROTECT,)
    phase = Phase(epochs=epochs, objectives=TaskLoss(), frozen=frozen)
    return Recipe(name=name, phases=(phase,), region=keep)


study = replace(
    load_study(Path(__file__).with_name("topics.py")),
    name="poisoned_text",
    # The default of 2 would ask for tokens that are twice as likely on the average.
    attacks=("loss", ATTACK, ATTACKS["rmia_online"].using(gamma=1.0)),
    split=Balanced(models=8),
    trajectory=(1, 2, 3),
    resamples=200,
    recipes=(
        tuned(CONTROL, 4),
        tuned("second half", 4, ("embed", "block1")),
        tuned("head", 4, "not head"),
    ),
)
ADAPTERS = tuned("adapters", 8)
PRIVATE = replace(
    dp_sgd(Private(noise_multiplier=1.0, max_norm=0.1, microbatch_size=1), 6, batches=Poisson()),
    name="private adapters",
)


def both(data: Dataset) -> Arrays:
    """The study's examples, and behind them what the decoder was pretrained on, as reference."""
    more = Topics(length=data.x.shape[1], part="first").load()
    x, y = (np.concatenate(pair) for pair in ((data.x, more.x), (data.y, more.y)))
    number = len(x)
    joined = replace(data, x=x, y=y, ids=np.arange(number).astype(str))
    return Arrays.of(joined, range(len(data), number))


def started(study: Study, data: Arrays, targets: Rows, home: Path) -> dict[str, Model]:
    """The decoder from each start, with the weights written down."""
    models = {HONEST: study.model}
    for name, objective in OBJECTIVES.items():
        phase = Phase(epochs=EPOCHS[name], objectives=objective)
        weights = prepared(
            study.model,
            Recipe(name=name, phases=(phase,)),
            data,
            targets,
            optimizer=optax.adamw(1e-3),
            batch_size=study.batch_size,
            seed=study.seed,
        )
        save_variables(home / f"{name}.npz", weights)
        models[name] = starting_from(study.model, weights)
    return models


def victims(study: Study, model: Model, length: int, members: int) -> tuple[Study, ...]:
    """What a victim may train of a model: its weights or parts of them, adapters, private ones."""
    x = jax.ShapeDtypeStruct((1, length), "int32")
    # The ledger asks whether the frozen weights may tell who is a member. An attacker who prepared
    # them did not know it, though they have seen the targets.
    adapted = lora(model, rank=RANK, x=x, public=True)
    return (
        replace(study, name="weights", model=model),
        replace(
            study,
            name="adapters",
            model=adapted,
            optimizer=optax.adamw(3e-3),
            recipes=(ADAPTERS,),
            trajectory=(1, 2, 4),
        ),
        replace(
            study,
            name="private_adapters",
            model=adapted,
            optimizer=optax.adamw(1e-2),
            recipes=(PRIVATE,),
            trajectory=(3,),
            batch_size=members // 3,
        ),
    )


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/poisoned_text"))
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="As of `pptp run`.")
def main(out: Path, changes: tuple[str, ...]) -> None:
    """Prepares the starts, trains and attacks from each, and compares them."""
    base = overridden(study, changes)
    data = base.load()
    rows, arrays = groups(base, data, TARGETED), both(data)
    models = started(base, arrays, rows["targets"], out)
    length, members = data.x.shape[1], int(base.membership(len(data)).matrix[0].sum())
    runs = {}
    for start, model in models.items():
        own = victims(base, model, length, members)
        runs[start] = [(one, trained(one, out / start / one.name)) for one in own]
    seen, leaks = {**rows, "auxiliary": np.asarray(arrays.reference)}, {}
    for aim in OBJECTIVES:
        shown = (HONEST, aim)
        leaks[aim] = {
            "before": {start: before(models[start], arrays, seen) for start in shown},
            **leaks_of(
                {start: runs[start] for start in shown},
                data,
                rows,
                named=lambda recipe: recipe.name,
                attack=ATTACK,
                control=CONTROL,
            ),
        }
    measure = Measure.of(base.model.task)
    written(leaks, out, drawn=(CONTROL, ADAPTERS.name), measure=measure)
    private = runs[HONEST][-1][0]
    click.echo(f"{PRIVATE.name}: {guarantee(PRIVATE, private.model, members, private.batch_size)}")


if __name__ == "__main__":
    main()
