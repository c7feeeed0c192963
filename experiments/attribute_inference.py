"""Location-30: inference of members' labels and visits, beyond a control's guesses.

Command: `python experiments/attribute_inference.py location30.npz`, with arrays `x` (5010, 446) and
`y` (5010,). It writes `runs/attribute_inference/results.json`, and prints tables. About three
minutes of one CPU core, nearly all of them for the classifiers that never see a model.

Eight networks are trained on half of the people each, to the end and stopped early. An attacker who
knows all of a person but whether one place was visited, and the group, guesses the visit; one who
does not know the group guesses that. The twelve places are those that nearest to half of all people
have visited. Controls are the commonest value, classifiers that have not seen the person, and
networks that did not train on the person.

Result (docs/audits.md): labels leak, a third of them only because of membership. Visits are guessed
a little better than by networks that did not train on the person, .05, but much worse than a
classifier imputes them; who imputes and asks the network gains next to nothing.
"""

import sys
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax.audit import ask_column, attribute_inference, impute, label_inference
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Arrays, Balanced, Npz
from pptp_jax.metrics import GuessComparison
from pptp_jax.models import mlp
from pptp_jax.storage.files import write_json
from pptp_jax.training import SGD, early_stopped, train_fleet, undefended

MODELS, COLUMNS = 8, 12
RECIPES = (undefended(15), early_stopped(2))
OUT = Path("runs/attribute_inference")


def answers_of(path: Path) -> tuple[Any, Arrays, Any, np.ndarray]:
    """Data, membership, and what all models of both recipes answer."""
    dataset = Npz(str(path)).load()
    data = Arrays.of(dataset)
    split = Balanced(models=MODELS).draw(len(dataset.y), seed=0)
    model = mlp([512, 256, 128], num_classes=30)
    parts = []
    for recipe in RECIPES:
        [trained] = train_fleet(model, recipe, data, split.members, optimizer=SGD())
        parts.append(trained.variables)
    stacked = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)

    @jax.jit
    def ask(x: jax.Array) -> jax.Array:
        return jax.lax.map(lambda own: model.answering(own)(x), stacked)

    return dataset, data, ask, split.matrix


def shown(title: str, found: GuessComparison) -> str:
    """One line of a table."""
    cells = [
        "{:.3f} [{:.3f}, {:.3f}]".format(*estimate)
        for estimate in (*found.members, *found.nonmembers, found.excess)
    ]
    return " | ".join([title, *cells])


def main(path: Path) -> None:
    """Trains, asks, and compares with the controls."""
    dataset, data, ask, membership = answers_of(path)
    x, y = np.asarray(data.inputs(slice(None))), dataset.y
    frequency = x.mean(axis=0)
    columns = np.argsort(np.abs(frequency - 0.5), kind="stable")[:COLUMNS].tolist()
    asked = []
    for column in columns:
        asked.append(ask_column(ask, x, y, column))
        click.echo(f"column {column}: {frequency[column]:.3f} visited it")
    logits = np.asarray(ask(x))
    classifier = impute(x, y)
    found: dict[str, dict[str, GuessComparison]] = {}
    for i, recipe in enumerate(RECIPES):
        own = slice(i * MODELS, (i + 1) * MODELS)
        of_recipe = {
            "label, out_models": label_inference(logits[own], y, membership),
            "label, classifier": label_inference(logits[own], y, membership, control=classifier),
        }
        parts = [one._replace(log_prob=one.log_prob[own]) for one in asked]
        for weights in ("prior", "none", "imputer"):
            judged = attribute_inference(parts, membership, weights=weights)
            of_recipe |= {f"attribute, {weights}, {name}": one for name, one in judged.items()}
        halves = {"targets": range(MODELS // 2), "shadows": range(MODELS // 2, MODELS)}
        apart = attribute_inference(parts, membership, **halves)["out_models"]
        of_recipe["attribute, prior, out_models apart"] = apart
        of_recipe["label, out_models apart"] = label_inference(logits[own], y, membership, **halves)
        found[recipe.slug] = of_recipe
    OUT.mkdir(parents=True, exist_ok=True)
    plain = {
        slug: {title: one.to_json() for title, one in own.items()} for slug, own in found.items()
    }
    write_json(OUT / "results.json", {"columns": columns, "recipes": plain})
    click.echo(
        "guess, control | members: attack | control | difference | non-members: ... | excess"
    )
    for slug, own_found in found.items():
        click.echo("\n".join([slug, *(shown(title, one) for title, one in own_found.items())]))


if __name__ == "__main__":
    with errors_as_sentences():
        main(Path(sys.argv[1]))
