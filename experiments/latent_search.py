"""Adam or L-BFGS: which finds a nearer image of a GAN's generator in as many evaluations?

Command: `python experiments/latent_search.py`. Into `runs/latent_search` it writes
`latent_search.json` and `.txt`.

GAN-Leaks with the generator looks for the noise whose image is nearest to an example. The paper
takes L-BFGS. Here both optimisers begin at the same noise, the best of 50 draws, and lower the same
loss, for 100 members and 100 others of each of some GANs of the digits. An evaluation is the loss
with its gradient. An example's distance is the least within its first 25 to 200 evaluations. Adam
has a learning rate of 0.05; L-BFGS has optax's line search.

Result: docs/findings.md.
"""

from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Arrays, Digits
from pptp_jax.metrics import masked_mean
from pptp_jax.models import Model, Variables, discriminator_mlp, gan, generator_mlp
from pptp_jax.storage.files import write_json, write_text
from pptp_jax.tasks import Drawn
from pptp_jax.training import Players, make_train, undefended

MODELS, EPOCHS, MEMBERS, EACH = 3, 300, 600, 100
BUDGETS = (25, 50, 100, 200)
STARTS, WEIGHT, RATE = 50, 1e-3, 0.05
HISTORY, LONGEST = 10, 10  # L-BFGS: pairs that it keeps, and evaluations of a line search


def trained(data: Arrays) -> tuple[Model, Variables]:
    """Some GANs that learn from the first digits."""
    networks = generator_mlp([128, 128], (8, 8, 1)), discriminator_mlp([128, 128])
    model = gan(*networks, num_classes=10)
    train = make_train(model, undefended(EPOCHS), Players(learning_rate=5e-4), batch_size=50)
    keys = jax.random.split(jax.random.key(0), MODELS)
    fleet, _ = jax.jit(jax.vmap(lambda key: train(key, data, jnp.arange(MEMBERS))))(keys)
    return model, fleet


def found(model: Model, own: Variables, data: Arrays, rows: Array) -> dict[str, Array]:
    """The least distances after each step, and the evaluations until then, of each optimiser."""
    apply, latent = model.apply, model.task.latent  # type: ignore[attr-defined]

    def of_example(row: Array) -> dict[str, tuple[Array, Array]]:
        x, label = data.inputs(row), data.targets(row)

        def distance(z: Float[Array, " latent"]) -> Float[Array, ""]:
            made, _ = apply(*own, Drawn(z[None], label[None]), train=False, key=None)
            return jnp.square(made[0] - x).mean()

        def loss(z: Float[Array, " latent"]) -> Float[Array, ""]:
            return distance(z) + WEIGHT * (jnp.square(z).mean() - 1) ** 2

        draws = jax.random.normal(jax.random.key(1), (STARTS, latent))
        first = jax.vmap(distance)(draws)
        start, best = draws[first.argmin()], first.min()

        def run(tx: Any, steps: int, searching: bool) -> tuple[Array, Array]:
            def step(carry: Any, _: None) -> tuple[Any, tuple[Array, Array]]:
                z, state, best, spent = carry
                value, slope = jax.value_and_grad(loss)(z)
                more = {"value": value, "grad": slope, "value_fn": loss} if searching else {}
                updates, state = tx.update(slope, state, z, **more)
                z = optax.apply_updates(z, updates)
                # The line search has evaluated the point at which it ends.
                used = state[-1].info.num_linesearch_steps if searching else jnp.int32(1)
                best, spent = jnp.minimum(best, distance(z)), spent + used
                return (z, state, best, spent), (best, spent)

            begin = (start, tx.init(start), best, jnp.int32(1))
            return jax.lax.scan(step, begin, length=steps)[1]

        search = optax.scale_by_zoom_linesearch(LONGEST, initial_guess_strategy="one")
        quasi = optax.lbfgs(memory_size=HISTORY, linesearch=search)
        most = max(BUDGETS)
        return {
            "Adam": run(optax.adam(RATE), most, False),
            "L-BFGS": run(quasi, most, True),
        }

    return jax.lax.map(of_example, rows, batch_size=50)


def within(budget: int, best: np.ndarray, spent: np.ndarray) -> np.ndarray:
    """The root of the least squared distance within a budget; the first step's if it exceeds it."""
    steps = np.maximum((spent <= budget).sum(axis=-1) - 1, 0)
    return np.sqrt(np.take_along_axis(best, steps[..., None], axis=-1)[..., 0])


def compared(out: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """Mean distances by budget and the difference of both, with intervals over examples."""
    answer = {}
    for budget in BUDGETS:
        by = {name: within(budget, *pair) for name, pair in out.items()}
        every = np.ones_like(by["Adam"], bool)
        means = {
            name: masked_mean(values, every, resamples=500, seed=0)._asdict()
            for name, values in {**by, "L-BFGS - Adam": by["L-BFGS"] - by["Adam"]}.items()
        }
        nearer = float((by["L-BFGS"] < by["Adam"]).mean())
        answer[str(budget)] = {**means, "share nearer by L-BFGS": nearer}
    return answer


def text_of(answer: dict[str, Any]) -> str:
    """The distances as a table of Markdown."""
    names = ("Adam", "L-BFGS", "L-BFGS - Adam")
    lines = [f"| evaluations | {' | '.join(names)} | nearer by L-BFGS |", "| --- " * 5 + "|"]
    for budget, row in answer.items():
        cells = (
            f"{row[n]['value']:.4f} [{row[n]['low']:.4f}, {row[n]['high']:.4f}]" for n in names
        )
        lines.append(f"| {budget} | {' | '.join(cells)} | {row['share nearer by L-BFGS']:.2f} |")
    return "\n".join(lines)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/latent_search"))
def main(out: Path) -> None:
    """Trains the GANs, searches by both, and writes the distances."""
    with errors_as_sentences(resumable=False):
        data = Arrays.of(Digits().load())
        model, fleet = trained(data)
        rows = jnp.concatenate([jnp.arange(EACH), MEMBERS + jnp.arange(EACH)])
        search = jax.jit(lambda own: found(model, own, data, rows))
        of_model = [search(jax.tree.map(lambda leaf, m=m: leaf[m], fleet)) for m in range(MODELS)]
        both = jax.tree.map(lambda *parts: np.stack([np.asarray(p) for p in parts]), *of_model)
        answer = compared(both)
        write_json(out / "latent_search.json", answer)
        write_text(out / "latent_search.txt", text_of(answer) + "\n")
        click.echo(text_of(answer))


if __name__ == "__main__":
    main()
