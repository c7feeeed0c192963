"""Shared by `poisoned_start.py` and `poisoned_text.py`: the attacker's losses and the leakage.

An attacker who hands out weights has trained them further on examples that it is after, the
targets. It either drives their loss up, so that a target that the victim trains on is learned again
and another one stays unlearned, or drives it down, so that a target that the victim trains on stays
known and another one is forgotten. Other examples, the auxiliary ones, keep their loss low (Wen et
al., "Privacy Backdoors: Enhancing Membership Inference through Poisoning Pre-trained Models",
NeurIPS 2024, https://arxiv.org/abs/2404.01231).

The attacker knows the targets, and not which of them the victim trains on. Its shadows start from
the same weights.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import click
import jax
import jax.numpy as jnp
import numpy as np

from pptp_jax import report
from pptp_jax.data import Arrays, Dataset
from pptp_jax.evaluation import Curve, Measure, Point, RunResults, frontier
from pptp_jax.evaluation.attack_fleet import Attacked, attacked
from pptp_jax.evaluation.matched_utility import paired_estimate
from pptp_jax.evaluation.measure import ACCURACY
from pptp_jax.fleets import Runtime, StoredFleet
from pptp_jax.metrics import Bootstrap, Estimate, bootstrap_mean, bootstrap_metrics
from pptp_jax.models import Model, Variables
from pptp_jax.objectives import Objective
from pptp_jax.objectives.objective import PLAIN, Context
from pptp_jax.pytree import pytree
from pptp_jax.report.progress import progress_bar
from pptp_jax.storage.files import write_json, write_text
from pptp_jax.study import Study, run
from pptp_jax.tasks import Batch
from pptp_jax.training import Optimizer, Recipe, make_train
from pptp_jax.validation import Refused, fraction, positive

Trained = Sequence[tuple[Recipe, StoredFleet]]
Rows = np.ndarray
Key = tuple[str, ...]
METRICS = ("auc", "tpr@0.01")


@pytree
@dataclass(frozen=True, kw_only=True)
class Maximised(Objective):
    """α · loss(auxiliary) − (1 − α) · loss(targets), as published.

    The targets stand where a phase has its members, the auxiliary examples are the reference. A
    target's loss counts up to a ceiling, which is ours: without one the weights run away.

    Attributes:
        weight: α.
        ceiling: the loss from which on a target is left alone.
    """

    name: ClassVar[str] = "maximised"
    needs_reference: ClassVar[bool] = True
    needs_classes: ClassVar[bool] = False
    weight: float
    ceiling: float

    def __post_init__(self) -> None:
        fraction(weight=self.weight)
        positive(ceiling=self.ceiling)

    def __call__(self, outputs: Any, targets: Any, context: Context = PLAIN) -> Any:
        """The loss of a batch of targets and as many auxiliary examples."""
        auxiliary, own = both_losses(outputs, targets, context, self.name)
        raised = jnp.minimum(own, self.ceiling).mean()
        return self.weight * auxiliary.mean() - (1 - self.weight) * raised


@pytree
@dataclass(frozen=True, kw_only=True)
class Minimised(Objective):
    """α · loss(auxiliary) + (1 − α) · loss(targets): the targets are memorised beforehand.

    Attributes:
        weight: α; the authors' code for language models has .25.
    """

    name: ClassVar[str] = "minimised"
    needs_reference: ClassVar[bool] = True
    needs_classes: ClassVar[bool] = False
    weight: float

    def __post_init__(self) -> None:
        fraction(weight=self.weight)

    def __call__(self, outputs: Any, targets: Any, context: Context = PLAIN) -> Any:
        """The loss of a batch of targets and as many auxiliary examples."""
        auxiliary, own = both_losses(outputs, targets, context, self.name)
        return self.weight * auxiliary.mean() + (1 - self.weight) * own.mean()


def both_losses(outputs: Any, targets: Any, context: Context, name: str) -> tuple[Any, Any]:
    """The loss of each auxiliary example, and of each target."""
    others, theirs = context.needed("reference", name)
    losses = context.task.losses
    return losses(others, Batch(None, theirs)), losses(outputs, Batch(None, targets))


def prepared(
    model: Model,
    recipe: Recipe,
    data: Arrays,
    targets: Rows,
    *,
    optimizer: Optimizer,
    batch_size: int,
    seed: int = 0,
) -> Variables:
    """The weights that an attacker's recipe makes of a model, with the targets as its members."""
    train = make_train(model, recipe, optimizer, batch_size=batch_size)
    variables, _ = jax.jit(train)(jax.random.key(seed), data, jnp.asarray(targets))
    return variables


def groups(study: Study, data: Dataset, number: int) -> dict[str, Rows]:
    """The attacked rows in two groups: the attacker's targets, drawn by the seed, and the others.

    A smaller number of targets is the first part of a larger one.
    """
    evaluated = study.division(len(data)).evaluated
    if not 0 < number < len(evaluated):
        raise Refused(
            f"the targets must be some of the {len(evaluated)} examples that are attacked, and not "
            f"all of them: got {number}"
        )
    order = np.random.default_rng(study.seed).permutation(evaluated)
    return {"targets": np.sort(order[:number]), "others": np.sort(order[number:])}


def before(model: Model, data: Arrays, rows: Mapping[str, Rows], seed: int = 0) -> dict[str, float]:
    """Utility and mean loss at the start, by group: what a look at the weights would show."""
    variables = model.init(jax.random.key(seed), data.inputs(slice(0, 1)))
    outputs, _ = model.apply(*variables, data.inputs(slice(None)), train=False, key=None)
    task, targets = model.task, data.targets(slice(None))
    losses = task.losses(outputs, Batch(None, targets))
    utility = task.utility(task.answers(outputs), targets)
    return {
        f"{what} of {group}": float(values[own].mean())
        for group, own in rows.items()
        for what, values in ((task.utility_name, utility), ("loss", losses))
    }


def trained(study: Study, out: Path) -> Trained:
    """Trains and attacks as `pptp run` does, and writes the report; the fleets, by recipe."""
    found: list[tuple[Recipe, StoredFleet]] = []
    with progress_bar(study.recipes, study.split.models) as on_progress:
        runtime = Runtime(
            on_progress=on_progress, on_fleet=lambda recipe, fleet: found.append((recipe, fleet))
        )
        results = run(study, out, command=" ".join(sys.argv), runtime=runtime)
    report.draw_figures(RunResults.from_json(results), out)
    report.write_report(out)
    click.echo(f"{out}: {results['seconds']:.0f} s")
    return found


def curves(
    study: Study,
    fleets: Trained,
    data: Dataset,
    rows: Mapping[str, Rows],
    named: Callable[[Recipe], str],
) -> dict[tuple[str, str, str], Curve]:
    """By method, group and attack: utility on honest non-members, and what a group leaks.

    Honest are the examples of the group `others`, with which nobody has tampered. A point for each
    recipe, and for each stop on its way.

    Args:
        study: from one start.
        fleets: its fleets.
        data: its examples.
        rows: the groups.
        named: what a method is called.
    """
    membership = study.membership(len(data))
    points: dict[tuple[str, str, str], list[Point]] = defaultdict(list)
    for recipe, by_epochs in fleets:
        *_, end = by_epochs
        for epochs, fleet in by_epochs.items():
            declared = study.model.task.signals
            seen = attacked(fleet, membership, study.chosen_attacks, data, declared)
            label = recipe.slug + ("" if epochs == end else f", stopped after {epochs}")
            for group, attack, point in points_of(study, seen, membership.evaluated, rows, label):
                points[named(recipe), group, attack].append(point)
    measure = Measure.of(study.model.task)
    return {key: Curve(key[0], tuple(own), measure) for key, own in points.items()}


def points_of(
    study: Study, seen: Attacked, examples: Rows, rows: Mapping[str, Rows], label: str
) -> Iterator[tuple[str, str, Point]]:
    """The points of one attacked fleet, by group and attack."""
    drawn = Bootstrap(study.split.models, len(examples), study.resamples, study.seed)
    every = np.ones_like(seen.membership)
    honest = every & np.isin(examples, rows["others"]) & ~seen.membership
    utility = bootstrap_mean(seen.utility, honest, drawn, seen.targets)
    for group, own in rows.items():
        among = every & np.isin(examples, own)
        for attack, scores in seen.scores.items():
            strength = bootstrap_metrics(
                scores, seen.membership, drawn, seen.targets, fprs=(0.01,), among=among
            )
            yield (
                group,
                attack,
                Point(utility=utility, strength=strength, resampling=drawn, label=label),
            )


def excess(a: Curve, b: Curve, metric: str = "auc") -> Estimate:
    """By how much a leaks more than b at equal utility: the mean over what both reach.

    A curve leaks what its frontier has there. Unresolved where fewer than 95 % of the resamples
    have a utility that both reach.
    """
    a.comparable(b)
    sign, found = a.measure.sign, []
    for row in zip(*a.drawn(metric), *b.drawn(metric), strict=True):
        strengths, utilities = row[::2], [sign * values for values in row[1::2]]
        chosen = [frontier(s, u) for s, u in zip(strengths, utilities, strict=True)]
        (x, p), (y, q) = ((strengths[i][chosen[i]], utilities[i][chosen[i]]) for i in range(2))
        low, high = max(p[0], q[0]), min(p[-1], q[-1])
        at = np.linspace(low, high, 33)
        more = np.interp(at, p, x) - np.interp(at, q, y)
        found.append(more.mean() if low <= high else np.nan)
    return paired_estimate(np.array(found))


def more_at_the_end(a: Curve, b: Curve) -> Estimate:
    """By how much more AUC a's last point has than b's, whatever their utility."""
    a.comparable(b)
    ends = [curve.drawn("auc")[0][:, -1] for curve in (a, b)]
    return paired_estimate(ends[0] - ends[1])


def compared(
    starts: Sequence[str], found: Mapping[Key, Curve], attack: str, control: str
) -> list[dict[str, Any]]:
    """Compares starts by method, and methods by start.

    Args:
        starts: those of which any two are compared, the later one with the earlier.
        found: the curves by start, method, group and attack.
        attack: the one that is compared by.
        control: the method that the others are compared with.
    """
    known = {key[:3]: curve for key, curve in found.items() if key[3] == attack}
    pairs = [
        ((one, name, group), (other, name, group))
        for one, other in combinations(reversed(starts), 2)
        for start, name, group in known
        if start == one
    ]
    pairs += [(key, (key[0], control, key[2])) for key in known if key[1] != control]
    return [
        {
            "group": a[2],
            "a": " ".join(a[:2]),
            "b": " ".join(b[:2]),
            "more AUC": excess(known[a], known[b])._asdict(),
            "at the end": more_at_the_end(known[a], known[b])._asdict(),
        }
        for a, b in sorted(pairs, key=lambda pair: pair[0][2], reverse=True)
    ]


def leaks_of(
    runs: Mapping[str, Sequence[tuple[Study, Trained]]],
    data: Dataset,
    rows: Mapping[str, Rows],
    *,
    named: Callable[[Recipe], str],
    attack: str,
    control: str,
) -> dict[str, Any]:
    """The leakage of an attacker's targets and of others by start, as plain data.

    Args:
        runs: by start, the attacker's last: its studies with their fleets, whose methods differ.
        data: the examples of all.
        rows: the groups.
        named: what a method is called.
        attack: the one that starts are compared by.
        control: the method that the others are compared with.
    """
    found = {
        (start, *key): curve
        for start, own in runs.items()
        for study, fleets in own
        for key, curve in curves(study, fleets, data, rows, named).items()
    }
    together: dict[Key, list[dict[str, Any]]] = {}
    for (start, method, group, name), curve in found.items():
        own = together.setdefault(
            (start, method, name),
            [{"start": start, "method": method, "attack": name} for _ in curve.points],
        )
        for row, point in zip(own, curve.points, strict=True):
            known = point.to_json()
            row |= {"label": known["label"], "utility": known["utility"]}
            row[group] = {metric: known.get(metric) for metric in METRICS}
    return {
        "rows": [row for own in together.values() for row in own],
        "compared": compared(list(runs), found, attack, control),
        "curves": [
            replace(curve, name=f"{start}: {method}").to_json()
            for (start, method, group, name), curve in found.items()
            if (group, name) == ("targets", attack)
        ],
    }


def interval(estimate: Mapping[str, float | None] | None, digits: int = 3) -> str:
    """A number with its interval."""
    if estimate is None or estimate["value"] is None:
        return "n/a"
    value, low, high = (f"{estimate[end]:.{digits}f}" for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def table(leaks: Mapping[str, Any]) -> str:
    """What is written down of each attacker's start and the honest ones beside it, to be read.

    Args:
        leaks: by the attacker's start what `leaks_of` finds, with `before`.
    """
    lines = []
    for aim, own in leaks.items():
        lines += [f"## {aim}", "", "Before fine-tuning"]
        for start, values in own["before"].items():
            lines.append(f"{start}: " + ", ".join(f"{k} {v:.3f}" for k, v in values.items()))
        for attack in dict.fromkeys(row["attack"] for row in own["rows"]):
            lines += ["", f"{attack}: start, method, recipe, utility, then AUC and TPR at 1 % FPR"]
            lines += [_line(row) for row in own["rows"] if row["attack"] == attack]
        lines += ["", "More AUC at equal utility, and between the last recipes of both"]
        lines += [
            f"{row['group']}: {row['a']} than {row['b']}: "
            f"{interval(row['more AUC'])}; {interval(row['at the end'])}"
            for row in own["compared"]
        ]
        lines.append("")
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> str:
    cells = [row["start"], row["method"], row["label"], interval(row["utility"])]
    for group in ("targets", "others"):
        cells += [group, *(interval(row[group][metric]) for metric in METRICS)]
    return "  ".join(cells)


def written(
    leaks: Mapping[str, Any], out: Path, drawn: Sequence[str], measure: Measure = ACCURACY
) -> None:
    """Writes `leaks.json`, `leaks.txt` and a figure for each attacker, and prints the text.

    Args:
        leaks: by the attacker's start.
        out: the directory.
        drawn: the methods in the figures.
        measure: what their utility is.
    """
    write_json(out / "leaks.json", leaks)
    text = table(leaks)
    write_text(out / "leaks.txt", text)
    for aim, own in leaks.items():
        shown = [curve for curve in own["curves"] if curve["name"].split(": ")[1] in drawn]
        report.draw_curves(
            shown, out / f"{aim}.png", attack="LiRA on the targets:", measure=measure
        )
    click.echo(text)
