"""Does a GAN leak less because it is more stable? Pairs of trainings that differ in one member.

Command: `python experiments/generative_stability.py` (no download). Into
`runs/generative_stability` it writes `generative_stability.json`, `.txt` and `.png`.

Both trainings of a pair learn 200 of 400 digits, with the same initial weights, batches and noise;
in one of them another digit of
its class stands in the place of a member. Denoising perceptrons (DDPM) and GANs
of two perceptrons are compared: how far their weights, their samples and the scores of the replaced
digit move apart, and whether that foretells what an attack finds.

- *Descent*: all members in each step, by plain gradient descent, as the bound of
  `pptp_jax.privacy.replace_one_divergence` has it; with each example's gradient clipped, or not.
- *Adam*: batches of 50, as such networks are trained, for several times.

`run_fleet` sorts a model's members, so one that is replaced moves the places of others, and it
gives each model a key of its own. So the loop here is made of the library's `Trainer`.

Result: docs/findings.md. Six minutes of one CPU core.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import click
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm, spearmanr

from pptp_jax.attacks import Evidence, lira_online
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Arrays, Balanced, Dataset, Digits, Membership
from pptp_jax.evaluation import SampleJudge
from pptp_jax.metrics import Estimate, attack_metrics
from pptp_jax.models import Model, ddpm, denoising_mlp, discriminator_mlp, gan, generator_mlp, mlp
from pptp_jax.privacy import noisy_score_advantage, replace_one_advantage
from pptp_jax.signals.samples import sample_labels, samples, smallest_distances
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.tasks import Batch
from pptp_jax.training import (
    SGD,
    AdamW,
    Optimizer,
    Players,
    Private,
    Trainer,
    dp_sgd,
    phase_optimizer,
    undefended,
)

PAIRS, POOL, REFERENCE, BATCH, SEED, RESAMPLES = 24, 400, 300, 50, 0, 200
MEMBERS, JUDGED, CLIP = POOL // 2, 8, 1.0
DESCENT, FEWER, RATE = 40, 8, 0.02
TIMES = {"DDPM": (100, 200, 400), "GAN": (250, 500, 1000)}
SHAPE, CLASSES, SAMPLES = (8, 8, 1), 10, 500
COLOURS = {"denoiser": "#D55E00", "discriminator": "#0072B2", "generator": "#009E73"}


@cache
def network(kind: str) -> Model:
    """A denoising perceptron, or two perceptrons against each other."""
    if kind == "DDPM":
        denoiser = denoising_mlp([128, 128, 128], num_classes=CLASSES)
        return ddpm(denoiser, steps=100, shape=SHAPE, timesteps=(8, 15, 25), draws=3)
    return gan(generator_mlp([128, 128], SHAPE), discriminator_mlp([128, 128]), CLASSES)


def parts(kind: str, params: Any) -> dict[str, Any]:
    """The weights by player."""
    if kind == "DDPM":
        return {"denoiser": params}
    return {name: params[name] for name in ("discriminator", "generator")}


class Pairs(NamedTuple):
    """Whom the two trainings of each pair learn."""

    membership: Membership
    members: np.ndarray  # (pairs, 2, members)
    replaced: np.ndarray  # learned by the first training of a pair alone
    instead: np.ndarray  # learned by the second alone

    @classmethod
    def drawn(cls, labels: np.ndarray) -> "Pairs":
        """Halves of the pool, of which one member gives way to a digit of the same class.

        In plain training the generator is given the labels of a batch: they stay as they are.
        """
        membership = Balanced(models=PAIRS).draw(POOL, SEED)
        rng = np.random.default_rng(SEED)
        members = np.stack([membership.members] * 2, axis=1)
        place = rng.integers(MEMBERS, size=PAIRS)
        replaced = members[np.arange(PAIRS), 0, place]
        alike = ~membership.matrix & (labels[:POOL] == labels[replaced][:, None])
        instead = np.array([rng.choice(np.flatnonzero(row)) for row in alike])
        members[np.arange(PAIRS), 1, place] = instead
        return cls(membership, members, replaced, instead)


def shuffled() -> Dataset:
    """The digits in random order: the pool, then those of the judge, then those of nobody."""
    data = Digits().load()
    rows = np.random.default_rng(SEED).permutation(len(data))
    return replace(data, x=data.x[rows], y=data.y[rows], ids=data.ids[rows])


class Distances(NamedTuple):
    """Between the trainings of a pair, by player (pairs, epochs)."""

    apart: dict[str, np.ndarray]
    relative: dict[str, np.ndarray]  # over what the first of them has moved


def trained(
    kind: str,
    pairs: Pairs,
    data: Arrays,
    times: tuple[int, ...],
    optimizer: Optimizer,
    batch: int,
    clip: float | None = None,
) -> Iterator[tuple[int, Any, Distances]]:
    """The networks (pairs, 2) after some epochs, and their distances in each epoch until then."""
    last, model, rule = times[-1], network(kind), phase_optimizer(optimizer)
    recipe = undefended(last)
    if clip is not None:
        recipe = dp_sgd(Private(noise_multiplier=0.0, max_norm=clip), last)
    [phase], trainer = recipe.phases, Trainer(model, recipe.regions(model), batch)
    count = jnp.arange(len(pairs.replaced))
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(SEED)))(count)

    def epochs(state: Any, start: Any, key: Any, members: Any, numbers: Any) -> Any:
        def one(state: Any, number: Any) -> Any:
            def of_each(own: Any) -> Any:
                return trainer.epoch(rule, phase, own[0], data, own[1], key, number, number)[0]

            state = jax.lax.map(of_each, (state, members))
            both = parts(kind, state.variables.params)
            between = jax.tree.map(lambda leaf: leaf[0] - leaf[1], both)
            moved = jax.tree.map(lambda leaf, begin: leaf[0] - begin[0], both, start)
            apart = {player: _norm(between[player]) for player in both}
            return state, Distances(apart, {p: apart[p] / _norm(moved[p]) for p in both})

        return jax.lax.scan(one, state, numbers)

    members = jnp.asarray(pairs.members)
    begin = jax.vmap(partial(trainer.start, rule, phase, None), in_axes=(None, None, 0, None))
    state = jax.vmap(begin, in_axes=(0, None, 0, None))(keys, data, members, None)
    start = parts(kind, state.variables.params)

    @jax.jit
    def advance(state: Any, numbers: Any) -> Any:
        # On a CPU one after the other is faster than side by side.
        return jax.lax.map(lambda own: epochs(*own, numbers), (state, start, keys, members))

    seen: list[Distances] = []
    for before, end in zip((0, *times[:-1]), times, strict=True):
        state, found = advance(state, jnp.arange(before, end))
        seen.append(found)
        joined = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *seen)
        yield end, state.variables, joined


def _norm(tree: Any) -> Any:
    return jnp.sqrt(sum(jnp.square(leaf).sum() for leaf in jax.tree.leaves(tree)))


def answers(kind: str, variables: Any, data: Arrays) -> dict[str, np.ndarray]:
    """What networks (pairs, 2) say of the pool, and what they make up of one noise."""
    model, rows = network(kind), slice(0, POOL)
    x, y = data.inputs(rows), data.targets(rows)
    labels = sample_labels(SAMPLES, CLASSES)

    def one(own: Any) -> dict[str, Any]:
        outputs, _ = model.task.outputs(model, own, Batch(x, y), train=False, key=None)
        confidence = model.task.confidence(outputs, y).reshape(-1, POOL).mean(axis=0)
        diffuses = kind == "DDPM"
        loss = jnp.clip(outputs.mean(axis=1), 0, 1) if diffuses else jax.nn.sigmoid(-confidence)
        made = samples(model, own, jax.random.key(SEED), labels)
        nearest = smallest_distances(x, made, 1)[:, 0]
        signals = {"own": confidence, "loss": loss, "samples": -jnp.log(nearest)}
        return signals | {"made": made.reshape(SAMPLES, -1)}

    each = jax.jit(lambda own: jax.lax.map(lambda pair: jax.lax.map(one, pair), own))
    return jax.tree.map(np.asarray, each(variables))


def with_and_without(scores: np.ndarray, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """The scores of both examples that are exchanged, where learned and where not: (pairs, 2)."""
    each = np.arange(PAIRS)
    learned = scores[each, 0, pairs.replaced], scores[each, 1, pairs.instead]
    other = scores[each, 1, pairs.replaced], scores[each, 0, pairs.instead]
    return np.stack(learned, axis=1), np.stack(other, axis=1)


def of_score(scores: np.ndarray, pairs: Pairs) -> dict[str, Any]:
    """How a score changes by one example, over its spread, and what LiRA makes of it."""
    member = pairs.membership.matrix
    learned, other = with_and_without(scores, pairs)
    spread = np.ma.masked_array(scores[:, 0], member).var(axis=0, ddof=1).mean() ** 0.5
    own = (learned - other) / spread
    others = np.abs(scores[:, 0] - scores[:, 1]) / spread
    for changed in (pairs.replaced, pairs.instead):
        others[np.arange(PAIRS), changed] = np.nan
    held = Evidence.leave_one_out({"confidence": scores[:, 0].astype(np.float32)}, member)
    found = attack_metrics(np.asarray(lira_online(held)), member, resamples=RESAMPLES, seed=SEED)
    effect = over_pairs(own.mean(axis=1))
    return {
        "effect": effect,
        "others": float(np.nanmean(others)),
        "foretold": {end: float(norm.cdf(at / 2**0.5)) for end, at in effect.items()},
        "lira": found["auc"]._asdict(),
        "noisy": noisy_score_advantage(own[:, 0], 1.0)._asdict(),
    }


def row(kind: str, label: str, found: dict[str, np.ndarray], pairs: Pairs) -> dict[str, Any]:
    """All that is known of the networks of one kind and time, but their weights."""
    losses = with_and_without(found["loss"], pairs)
    first, member = found["loss"][:, 0], pairs.membership.matrix
    gaps = first[~member].reshape(PAIRS, -1).mean(1) - first[member].reshape(PAIRS, -1).mean(1)
    made, other = found["made"].swapaxes(0, 1)
    apart = np.square(made - other).mean(axis=(1, 2))
    unrelated = np.square(made - np.roll(made, 1, axis=0)).mean(axis=(1, 2))
    return {
        "kind": kind,
        "label": label,
        "identity": {
            # Both examples of a pair make up one independent number.
            "pairs": replace_one_advantage(*(own.mean(axis=1) for own in losses))._asdict(),
            "gap": over_pairs(gaps),
        },
        "samples apart": over_pairs(apart / unrelated.mean()),
        "scores": {name: of_score(found[name], pairs) for name in ("own", "samples")},
    }


def over_pairs(each: np.ndarray) -> dict[str, Any]:
    """A mean over independent pairs, with twice its standard error."""
    return Estimate.of_mean(each)._asdict()


def judged(made: np.ndarray, pairs: Pairs, judge: SampleJudge) -> dict[str, Any]:
    """The accuracy, on digits that a model has not seen, of a classifier of its samples."""
    matrix = np.zeros((JUDGED, len(judge.data)), bool)
    matrix[:, :POOL] = pairs.membership.matrix[:JUDGED]
    reference, labels = np.arange(POOL, POOL + REFERENCE), np.arange(SAMPLES) % CLASSES
    quality = judge.fleet(made[:JUDGED, 0], labels, matrix, reference)
    return over_pairs(np.array([one.accuracy for one in quality]))


def descent(pairs: Pairs, data: Arrays) -> dict[str, Any]:
    """Gradient descent on all members: distances by step, and the order in which they grow."""
    found, rule = {}, SGD(learning_rate=RATE, momentum=0.0, schedule="constant")
    fewer = Pairs(pairs.membership, *(array[:FEWER] for array in pairs[1:]))
    for kind in TIMES:
        for clip in (None, CLIP):
            [(_, _, seen)] = trained(kind, fewer, data, (DESCENT,), rule, MEMBERS, clip)
            for player, apart in seen.apart.items():
                found[f"{player}, clipped" if clip else player] = {
                    "apart": apart.mean(axis=0).tolist(),
                    "first": float(apart[:, 0].max() / (RATE * 2 * CLIP / MEMBERS)),
                    "order": order(apart),
                    "end": over_pairs(seen.relative[player][:, -1]),
                }
    return found


def order(apart: np.ndarray) -> dict[str, Any]:
    """The exponent of t in the distance after 4 to 16 steps, by pair."""
    steps = np.arange(4, 17)
    return over_pairs(np.polyfit(np.log(steps), np.log(apart[:, 3:16]).T, 1)[0])


def adam(
    pairs: Pairs, data: Arrays, judge: SampleJudge, say: Callable[[str], object]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Trainings by Adam: a row for each time, and the distances by epoch."""
    rows, curves = [], {}
    for kind, times in TIMES.items():
        own = AdamW(learning_rate=2e-3) if kind == "DDPM" else Players(learning_rate=1e-3)
        rule = replace(own, schedule="constant")
        for epochs, variables, seen in trained(kind, pairs, data, times, rule, BATCH):
            found = answers(kind, variables, data)
            record = row(kind, f"{epochs} epochs", found, pairs)
            record["accuracy"] = judged(found["made"], pairs, judge)
            record["weights"] = {p: over_pairs(at[:, -1]) for p, at in seen.relative.items()}
            rows.append(record)
            say(text_of([record]))
            curves |= {p: at.mean(axis=0).tolist() for p, at in seen.relative.items()}
    return rows, curves


def text_of(rows: list[dict[str, Any]]) -> str:
    """The trainings by Adam as a table of Markdown."""
    names = ["model", "training", "accuracy by samples", "weights apart", "samples apart", "score"]
    names += ["effect / spread", "other digits", "AUC foretold", "LiRA", "advantage"]
    lines = [f"| {' | '.join([*names, 'gap'])} |", "| --- " * (len(names) + 1) + "|"]
    for one in rows:
        weights = "; ".join(f"{part} {cell(at)}" for part, at in one["weights"].items())
        for name, score in one["scores"].items():
            cells = [one["kind"], one["label"], cell(one["accuracy"]), weights]
            cells += [cell(one["samples apart"]), name, cell(score["effect"])]
            cells += [f"{score['others']:.2f}", cell(score["foretold"]), cell(score["lira"])]
            both = one["identity"]
            cells += [cell(both["pairs"]), cell(both["gap"])] if name == "own" else ["", ""]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def text_of_descent(found: dict[str, Any]) -> str:
    """Gradient descent as a table of Markdown."""
    lines = ["| weights | order in t | apart / moved at the end | first step / (2ηC/n) |"]
    lines.append("| --- " * 4 + "|")
    for name, one in found.items():
        first = f"{one['first']:.3f}" if "clipped" in name else ""
        lines.append(f"| {name} | {cell(one['order'])} | {cell(one['end'])} | {first} |")
    return "\n".join(lines)


def foretelling(rows: list[dict[str, Any]]) -> dict[str, float]:
    """How well the changes by one example foretell LiRA: ranks, and the mean error of the AUC."""
    scores = [score for one in rows for score in one["scores"].values()]
    names = "effect", "foretold", "lira"
    effect, foretold, lira = ([score[n]["value"] for score in scores] for n in names)
    weights = [list(one["weights"].values())[-1]["value"] for one in rows]  # of what is released
    own = [one["scores"]["samples"]["lira"]["value"] for one in rows]
    return {
        "rank correlation of effect": float(spearmanr(effect, lira).statistic),
        "rank correlation of weights": float(spearmanr(weights, own).statistic),
        "mean error of AUC": float(np.abs(np.subtract(foretold, lira)).mean()),
    }


def cell(found: dict[str, float]) -> str:
    """A number with its interval."""
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def draw(found: dict[str, Any], path: Path) -> None:
    """Weights apart by descent and by Adam, and what changes foretell of LiRA."""
    figure = Figure(figsize=(14, 4.4), layout="constrained", dpi=80)
    left, middle, right = figure.subplots(1, 3)
    steps = np.arange(2, DESCENT + 1)  # the generator moves apart from the second one on
    for name, one in found["descent"].items():
        style = {"color": COLOURS[name.split(",")[0]], "linestyle": "--" if "," in name else "-"}
        left.loglog(steps, one["apart"][1:], label=name, **style)
    eighth = found["descent"]["generator"]["apart"][7]
    left.loglog(steps, eighth * (steps / 8) ** 2, color="0.6", linestyle=":", label="t²")
    left.xaxis.set_minor_formatter("")
    left.set(title="gradient descent on all members", xlabel="step t", ylabel="‖θ − θ′‖")
    for player, curve in found["curves"].items():
        middle.loglog(np.arange(1, len(curve) + 1), curve, color=COLOURS[player], label=player)
    middle.set(title="Adam, batches", xlabel="epoch", ylabel="‖θ − θ′‖ / ‖θ − θ₀‖")
    for (kind, name), mark in zip(product(TIMES, ("own", "samples")), "os^v", strict=True):
        own = [one["scores"][name] for one in found["rows"] if one["kind"] == kind]
        x, y = (
            np.array([[score[at][end] for end in ("low", "value", "high")] for score in own]).T
            for at in ("effect", "lira")
        )
        bars = {"xerr": np.abs(x[::2] - x[1]), "yerr": np.abs(y[::2] - y[1])}
        right.errorbar(x[1], y[1], **bars, fmt=mark, capsize=2, label=f"{kind}, {name}")
    span = np.linspace(*right.get_xlim(), 50)
    right.plot(span, norm.cdf(span / 2**0.5), color="0.6", linestyle=":", label="Φ(effect / √2)")
    right.set(title="foretold and found", xlabel="effect / spread", ylabel="AUC of LiRA")
    for axes in (left, middle, right):
        axes.legend(fontsize="x-small")
    write(path, lambda file: figure.savefig(file, format="png"))


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/generative_stability"))
def main(out: Path) -> None:
    """Trains the pairs, compares and attacks them, and draws what comes out."""
    with errors_as_sentences():
        digits = shuffled()
        pairs, arrays = Pairs.drawn(digits.y), Arrays.of(digits)
        reference = np.arange(POOL, POOL + REFERENCE)
        judge = SampleJudge.of(digits, reference, mlp([64], CLASSES, activation="relu"))
        found: dict[str, Any] = {"descent": descent(pairs, arrays)}
        click.echo(text_of_descent(found["descent"]))
        found["rows"], found["curves"] = adam(pairs, arrays, judge, click.echo)
        found["foretelling"] = foretelling(found["rows"])
        text = [text_of_descent(found["descent"]), "", text_of(found["rows"]), ""]
        text += [f"{name}: {value:.3f}" for name, value in found["foretelling"].items()]
        write_json(out / "generative_stability.json", found)
        write_text(out / "generative_stability.txt", "\n".join(text) + "\n")
        draw(found, out / "generative_stability.png")


if __name__ == "__main__":
    main()
