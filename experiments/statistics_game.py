"""How much do published frequencies leak, and which noise is the cheapest defence?

Command: `python experiments/statistics_game.py --data location30.npz`, with an array `x` of bits,
(5010, 446); without `--data` on made-up genotypes alone. It goes on where it was stopped. Into
`runs/statistics_game` it writes `statistics_game.json`, `.txt` and `.png`.

The mean of 446 attributes of a pool of about 200 people is published. Of 32 targets each is in the
pool with probability 1/2; the other 184 are drawn from the population, whose frequencies and
covariance the attacker knows, as it knows the targets' records. Releases: the frequencies as they
are; with Laplace noise; with Gaussian noise, the same for all, water-filled, and water-filled along
the principal axes; the first principal axes alone, the rest from the population; and noise that a
network has learned in a game against an attacker. Risk is the AUC of the strongest exact attacker
and of a fresh attacker's network, utility the root mean squared error of a frequency.

Result: docs/findings.md. About three minutes of CPU time.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.evaluation import read_estimate
from pptp_jax.metrics import attack_metrics
from pptp_jax.release import (
    AttackerTraining,
    Game,
    GaussianNoise,
    NetworkNoise,
    bayes_response,
    frequency_likelihood_ratio,
    membership_from_means,
    optimal_gaussian_noise,
    risk_of_means,
    train_release,
)
from pptp_jax.storage.files import write, write_json, write_text

TARGETS, OTHERS, POOLS = 32, 184, (20_000, 4_000)
POOL = OTHERS + TARGETS // 2
DRAWS = 400
ERRORS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.045, 0.07)
WEIGHTS = (0.3, 1.0)
HIDDEN = (32,)
GENERATORS = {
    "network": NetworkNoise(hidden=(32,), start=0.5),
    "gaussian": GaussianNoise(start=0.5),
}
COLOURS = {
    "Laplace": "#8a8a8a",
    "uniform Gaussian": "#1f5fb3",
    "water-filled": "#2f8f4e",
    "water-filled along axes": "#7a3fb3",
    "first axes alone": "#b3421f",
}


class Population(NamedTuple):
    """Targets, what is public, and pools of others: those to learn from and those to test on.

    `axes` are the principal axes, with the largest variance first.
    """

    targets: Array
    mean: Array
    covariance: Array
    axes: Array
    variances: Array
    pools: tuple[Array, Array]


def population(records: np.ndarray, seed: int = 0) -> Population:
    """Targets and pools, drawn from people's records."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.float32(records))
    targets, others = rows[:TARGETS], rows[TARGETS:]
    # A public attribute has some spread, or it would rule people out.
    mean = (others.sum(axis=0) + 0.5) / (len(others) + 1)
    covariance = np.cov(others.T, bias=True) + 1e-4 * np.eye(rows.shape[1])
    values, axes = np.linalg.eigh(covariance)
    pools = []
    for count in POOLS:
        sums = []
        for _ in range(count // 500):
            chosen = rng.random((500, len(others))).argpartition(OTHERS, axis=1)[:, :OTHERS]
            weights = np.zeros((500, len(others)), np.float32)
            np.put_along_axis(weights, chosen, 1, axis=1)
            sums.append(weights @ others)
        pools.append(jnp.asarray(np.concatenate(sums)))
    found = (targets, mean, covariance, axes[:, ::-1], values[::-1])
    return Population(*(jnp.asarray(one, jnp.float32) for one in found), tuple(pools))


def genotypes(people: int = 5010, attributes: int = 446) -> np.ndarray:
    """Made-up haplotypes: independent variants of frequencies between .05 and .5."""
    rng = np.random.default_rng(1)
    return rng.random((people, attributes)) < rng.uniform(0.05, 0.5, attributes)


def statistic(people: Population, test: bool) -> Callable[[Array, Array], Array]:
    """The exact frequencies of a pool that some targets are in."""
    pools = people.pools[test]

    def frequencies(members: Array, key: Array) -> Array:
        others = pools[jax.random.randint(key, (), 0, len(pools))]
        own = jnp.float32(members)
        return (own @ people.targets + others) / (own.sum() + OTHERS)

    return frequencies


def draws(people: Population) -> tuple[Array, Array]:
    """Who is in and the exact frequencies, for the test."""
    who, what = jax.random.split(jax.random.key(7))
    members = jax.random.bernoulli(who, 0.5, (DRAWS, TARGETS))
    keys = jax.random.split(what, DRAWS)
    return members, jax.jit(jax.vmap(statistic(people, test=True)))(members, keys)


def auc(scores: Array, members: Array) -> dict[str, float]:
    """The AUC, resampled over draws and targets."""
    found = attack_metrics(np.asarray(scores), np.asarray(members), resamples=200, seed=0)
    return dict(found["auc"]._asdict())


def noises(people: Population, error: float) -> dict[str, tuple[Array, str, bool]]:
    """Standard deviations of a root mean squared `error`, the noise, and whether along the axes."""
    size = len(people.mean)

    def filled(variances: Array) -> Array:
        low, high = 0.5001, float(risk_of_means(variances, POOL).auc) - 1e-4
        for _ in range(30):
            middle = (low + high) / 2
            found = optimal_gaussian_noise(variances, POOL, middle)
            low, high = (middle, high) if (found**2).mean() > error**2 else (low, middle)
        return found

    same = jnp.full(size, error)
    return {
        "uniform Gaussian": (same, "gaussian", False),
        "Laplace": (same, "laplace", False),
        "water-filled": (filled(jnp.diag(people.covariance)), "gaussian", False),
        "water-filled along axes": (filled(people.variances), "gaussian", True),
    }


def attacked(people: Population, released: Array, stds: Array, kind: str, along: bool) -> dict:
    """The scores of each attacker who knows the noise, for releases (draws, statistics)."""
    if along:
        released, records, mean = (
            one @ people.axes for one in (released, people.targets, people.mean)
        )
        known = {"all covariances": people.variances}
    else:
        records, mean = people.targets, people.mean
        known = {
            "variances alone": jnp.diag(people.covariance),
            "all covariances": people.covariance,
        }
    return {
        # With covariances, Laplace noise is taken for Gaussian noise of its size.
        name: _scores(
            released, records, mean, spread, stds, kind if spread.ndim == 1 else "gaussian"
        )
        for name, spread in known.items()
    }


@partial(jax.jit, static_argnums=5)
def _scores(
    released: Array, records: Array, mean: Array, spread: Array, stds: Array, kind: str
) -> Array:
    # All draws have one pool size, so one division serves them all.
    return jax.lax.map(
        lambda one: membership_from_means(one, records, mean, spread, POOL, stds, kind), released
    )


def exact_points(people: Population) -> list[dict[str, Any]]:
    """Each release at each error, by each attacker in closed form."""
    members, exact = draws(people)
    points = []
    zeros = jnp.zeros(len(people.mean))
    for error in (0.0, *ERRORS):
        kinds = noises(people, error) if error else {"none": (zeros, "gaussian", False)}
        for name, (stds, kind, along) in kinds.items():
            draw = jax.random.laplace if kind == "laplace" else jax.random.normal
            noise = draw(jax.random.key(3), exact.shape) * stds[None]
            noise = noise / jnp.sqrt(2.0) if kind == "laplace" else noise
            released = exact + (noise @ people.axes.T if along else noise)
            scores = attacked(people, released, stds, kind, along)
            if not along:
                ratio = jax.jit(jax.vmap(frequency_likelihood_ratio, (0, None, None, None)))
                scores["likelihood ratio"] = ratio(released, people.targets, people.mean, 1e-3)
            spread = people.variances if along else people.covariance
            if kind == "laplace":
                spread = jnp.diag(people.covariance)
            points.append(
                {
                    "release": name,
                    "error": error,
                    "attackers": {who: auc(s, members) for who, s in scores.items()},
                    "closed form": float(risk_of_means(spread, POOL, stds, kind).auc),
                }
            )
    return points + _suppressed(people, members, exact)


def _suppressed(people: Population, members: Array, exact: Array) -> list[dict[str, Any]]:
    """The first principal axes as they are, and the population's mean along the others."""
    points = []
    for kept in (10, 25, 50, 100, 200, 300):
        axes = people.axes[:, :kept]
        scores = _scores(
            exact @ axes,
            people.targets @ axes,
            people.mean @ axes,
            people.variances[:kept],
            jnp.zeros(kept),
            "gaussian",
        )
        rest = (exact - people.mean[None]) @ people.axes[:, kept:]
        points.append(
            {
                "release": "first axes alone",
                "error": float(jnp.sqrt(jnp.square(rest).sum(axis=1).mean() / len(people.mean))),
                "kept": kept,
                "attackers": {"all covariances": auc(scores, members)},
                "closed form": float(risk_of_means(people.variances[:kept], POOL).auc),
            }
        )
    return points


def game_point(people: Population, generator: str, weight: float, steps: int) -> dict[str, Any]:
    """One game, judged by a fresh attacker; without a generator the exact frequencies."""
    prior, key = jnp.full(TARGETS, 0.5), jax.random.key(11)
    training = AttackerTraining(hidden=HIDDEN, steps=steps, batch_size=256)
    train, test = statistic(people, test=False), statistic(people, test=True)
    members, exact = draws(people)
    if generator == "none":
        response = bayes_response(train, prior, key, training=training, held_out=test, draws=4000)
        released, error, opponent = exact, 0.0, None
    else:
        game = Game(utility_weight=weight, rounds=500, attacker=HIDDEN)
        found = train_release(
            train, prior, GENERATORS[generator], key,
            game=game, training=training, held_out=test, draws=4000,
        )  # fmt: skip
        response, opponent = found.response, found.opponent
        noise = jax.vmap(GENERATORS[generator].noise, (None, 0, 0))
        added = noise(found.params, exact, jax.random.split(jax.random.key(5), DRAWS))
        released = exact + added
        error = float(jnp.sqrt(jnp.square(added).mean()))
    return {
        "generator": generator,
        "weight": weight,
        "error": error,
        "auc": auc(response.posterior(released), members),
        "uncertainty_left": response.uncertainty_left._asdict(),
        "opponent": None if opponent is None else opponent / response.prior_entropy,
    }


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """What a file holds, which is made if it is not there."""
    if not path.exists():
        write_json(path, make())
    return json.loads(path.read_text())


def text_of(name: str, points: Sequence[dict[str, Any]], games: Sequence[dict[str, Any]]) -> str:
    """Tables of Markdown."""
    lines = [f"{name}: AUC [95 % interval]", ""]
    attackers = ("likelihood ratio", "variances alone", "all covariances")
    lines.append(f"| release | error | {' | '.join(attackers)} | closed form |")
    lines.append("| --- " * 6 + "|")
    for one in points:
        found = [_interval(one["attackers"].get(who)) for who in attackers]
        lines.append(
            f"| {one['release']} | {one['error']:.4f} | {' | '.join(found)} | "
            f"{one['closed form']:.3f} |"
        )
    lines += ["", "| generator | weight | error | fresh attacker | S | S in the game |"]
    lines.append("| --- " * 6 + "|")
    for one in games:
        opponent = "" if one["opponent"] is None else f"{one['opponent']:.3f}"
        lines.append(
            f"| {one['generator']} | {one['weight']:g} | {one['error']:.4f} | "
            f"{_interval(one['auc'])} | {_interval(one['uncertainty_left'])} | {opponent} |"
        )
    return "\n".join(lines)


def _interval(one: dict[str, float] | None) -> str:
    return "" if one is None else f"{read_estimate(one):.3f}"


def draw(results: dict[str, Any], path: Path) -> None:
    """For each population the attackers on uniform noise, and the releases by the strongest."""
    figure = Figure(figsize=(13, 4.6 * len(results)), layout="constrained", dpi=80)
    rows = figure.subplots(len(results), 2, squeeze=False)
    for (left, right), (name, found) in zip(rows, results.items(), strict=True):
        points, games = found["points"], found["games"]
        _attackers(left, [p for p in points if p["release"] in ("none", "uniform Gaussian")])
        left.set_title(f"{name}: who finds how much under Gaussian noise", fontsize="medium")
        _releases(right, points, games)
        right.set_title(f"{name}: the strongest attacker on each release", fontsize="medium")
        for axes in (left, right):
            axes.set_xlabel("root mean squared error of a frequency")
            axes.set_ylabel("AUC")
            axes.axhline(0.5, color="#cccccc", linewidth=1)
            axes.legend(fontsize="small")
    write(path, lambda file: figure.savefig(file, format="png"))


def _attackers(axes: Axes, points: Sequence[dict[str, Any]]) -> None:
    errors = [one["error"] for one in points]
    axes.plot(errors, [one["closed form"] for one in points], "k--", label="closed form")
    for who in ("all covariances", "variances alone", "likelihood ratio"):
        found = [one["attackers"][who] for one in points]
        values = np.array([[one[end] for end in ("low", "value", "high")] for one in found]).T
        axes.errorbar(
            errors,
            values[1],
            yerr=[values[1] - values[0], values[2] - values[1]],
            fmt="o-",
            capsize=2,
            label=who if who == "likelihood ratio" else f"Bayes, {who}",
        )


def _releases(axes: Axes, points: Sequence[dict[str, Any]], games: Sequence[dict]) -> None:
    bare = next(one for one in points if one["release"] == "none")
    for name, colour in COLOURS.items():
        own = [bare, *(one for one in points if one["release"] == name)]
        own.sort(key=lambda one: one["error"])
        values = [max(a["value"] for a in one["attackers"].values()) for one in own]
        axes.plot([one["error"] for one in own], values, "o-", color=colour, label=name, ms=4)
    for generator, marker in (("network", "*"), ("gaussian", "s"), ("none", "D")):
        own = [one for one in games if one["generator"] == generator]
        if own:
            what = "no noise" if generator == "none" else f"game, {generator} noise"
            values = np.array(
                [[one["auc"][end] for end in ("low", "value", "high")] for one in own]
            )
            axes.errorbar(
                [one["error"] for one in own],
                values[:, 1],
                yerr=np.abs(values[:, [0, 2]] - values[:, 1:2]).T,
                fmt=f"k{marker}", ms=8, capsize=2, zorder=3, label=f"{what}: fresh network",
            )  # fmt: skip


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=None)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/statistics_game"))
@click.option("--steps", type=click.IntRange(1), default=5000, help="To train a fresh attacker.")
def main(data: Path | None, out: Path, steps: int) -> None:
    """Attacks each release, plays the games, and draws both."""
    with errors_as_sentences(resumable=True):
        sources: dict[str, np.ndarray] = {}
        if data is not None:
            with np.load(data) as arrays:
                sources["Location-30"] = arrays["x"]
        sources["made-up genotypes"] = genotypes()
        results = {}
        for name, records in sources.items():
            people = population(records)
            place = out / name.replace(" ", "_")
            points = kept(place / "points.json", lambda people=people: exact_points(people))
            settings = [("none", 0.0), *(("network", weight) for weight in WEIGHTS)]
            settings += [("gaussian", WEIGHTS[0])]
            games = [
                kept(
                    place / f"{generator}_{weight:g}_{steps}.json",
                    lambda people=people, g=generator, w=weight: game_point(people, g, w, steps),
                )
                for generator, weight in settings
            ]
            results[name] = {"points": points, "games": games}
        text = "\n\n".join(text_of(name, **found) for name, found in results.items())
        write_json(out / "statistics_game.json", results)
        write_text(out / "statistics_game.txt", text + "\n")
        draw(results, out / "statistics_game.png")
        click.echo(text)


if __name__ == "__main__":
    main()
