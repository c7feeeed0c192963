"""How many shadows does an attack need? LiRA and RMIA with 8 to 256 of them on the same targets.

Command: `python experiments/many_shadows.py` on the digits, or
`python experiments/many_shadows.py location30.npz` on Location-30. It goes on where it was stopped.
Into `runs/many_shadows` (`runs/many_shadows_location30`) it writes a run directory with its report,
and `shadows.json`, `shadows.txt` and `shadows.png`: the strength of each attack over the number of
shadows, the gap to the strength with all of them, and the cost of training them.

32 targets are attacked with the first k of 256 shadows, which are trained in complementary pairs:
with any even k every example has as many IN as OUT shadows (`pptp_jax.data.Pairs`). Intervals are
those of a bootstrap over targets and examples; which shadows were drawn they do not cover, so the
AUC of up to eight sets of k shadows that share none is given beside them.

Result (docs/findings.md): RMIA gains little beyond 32 shadows, LiRA up to 256, ever less; the order
of two defences is the same with 8 and with 256. The digits take 4 minutes on two busy CPU cores,
Location-30 a quarter of an hour.
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pptp_jax import report
from pptp_jax.attacks import ATTACKS
from pptp_jax.cli.errors import errors_as_sentences
from pptp_jax.data import Digits, Membership, Npz, Pairs
from pptp_jax.evaluation import AttackResults, RunResults, attack, read_estimate, shadow_curve
from pptp_jax.fleets import Runtime
from pptp_jax.metrics import Bootstrap, bootstrap_metrics
from pptp_jax.models import mlp
from pptp_jax.report.curves import COLOURS, MARKERS
from pptp_jax.report.progress import progress_bar
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.study import Study, overridden, prepared, run
from pptp_jax.training import SGD, Progress, Recipe, early_stopped, freeze, undefended

NUMBERS = (8, 16, 32, 64, 128, 256)
SETS = 8  # as many sets of k shadows are attacked with at most, beside the first
METRICS = {"auc": "AUC", "tpr@0.01": "TPR at 1 % FPR", "tpr@0.001": "TPR at 0.1 % FPR"}
LIRA = ATTACKS["lira_online"]

study = Study(
    name="many_shadows",
    data=Digits(),
    model=mlp([256, 128, 64], num_classes=10),
    split=Pairs(targets=32, shadows=256),
    optimizer=SGD(),
    attacks=(
        LIRA,
        LIRA.using(variance="global"),
        LIRA.using(variance="per_example"),
        "lira_offline",
        "rmia_online",
        "rmia_offline",
    ),
    recipes=(undefended(30), early_stopped(4), freeze("shallow", after=2, more=4)),
)


def on_location30(study: Study, path: Path) -> Study:
    """The same question of the network that `experiments/location30.py` studies."""
    body = ("stem", "stage1", "stage2")  # all but the last layer
    return replace(
        study,
        name="many_shadows_location30",
        data=Npz(str(path)),
        model=mlp([512, 256, 128], num_classes=30),
        recipes=(undefended(15), early_stopped(3), freeze(body, after=2, more=8)),
    )


@dataclass
class Clock:
    """The time that training takes, summed over all runs into a directory.

    It counts from one finished epoch to the next, with compilation and what an interrupted run has
    trained in vain. Phases that recipes begin with alike count for the first of them.
    """

    path: Path

    def __post_init__(self) -> None:
        self.spent: dict[str, dict[str, float]] = (
            json.loads(self.path.read_text()) if self.path.exists() else {}
        )
        self.last = _now()

    def __call__(self, recipe: Recipe, _: Progress) -> None:
        """Adds what has passed since the last epoch of any recipe."""
        own, now = self.spent.setdefault(recipe.slug, dict.fromkeys(self.last, 0.0)), _now()
        for clock in now:
            own[clock] += now[clock] - self.last[clock]
        self.last = now
        write_json(self.path, self.spent)


def _now() -> dict[str, float]:
    return {"wall": time.monotonic(), "processor": time.process_time()}


def trained(study: Study, out: Path) -> None:
    """Trains and attacks with all shadows, as `pptp run` does, and takes the time."""
    clock = Clock(out / "seconds.json")
    with progress_bar(study.recipes, study.split.models) as shown:

        def on_progress(recipe: Recipe, now: Progress) -> None:
            clock(recipe, now)
            shown(recipe, now)

        runtime = Runtime(on_progress=on_progress, log=click.echo)
        results = run(study, out, runtime=runtime, command=" ".join(sys.argv))
    report.draw_figures(RunResults.from_json(results), out)
    report.write_report(out)


def numbers_of(shadows: int) -> list[int]:
    """The numbers of shadows to attack with: those of `NUMBERS` that there are, and all."""
    return sorted({number for number in NUMBERS if number < shadows} | {shadows})


def missing(few: AttackResults, many: AttackResults, study: Study) -> dict[str, Any]:
    """What an attack with few shadows lacks to one with many, on the same resamples."""
    drawn = Bootstrap(*few.membership.shape, study.resamples, study.seed)
    places = np.arange(len(few.targets))
    found: dict[str, Any] = {}
    for name in few:
        of_few, of_many = (
            bootstrap_metrics(own.scores[name], own.membership, drawn, places, fprs=(0.01, 0.001))
            for own in (few, many)
        )
        found[name] = {
            metric: (of_many[metric] - of_few[metric]).estimate()._asdict()
            for metric in METRICS
            if metric in of_few and metric in of_many
        }
    return found


def other_sets(
    signals: Mapping[str, np.ndarray], membership: Membership, number: int, study: Study
) -> dict[str, list[float]]:
    """The AUC of each attack with disjoint sets of `number` shadows, the first ones first."""
    sets = min(SETS, len(membership.shadows) // number)
    found: dict[str, list[float]] = {}
    for place in range(sets):
        chosen = membership.shadows[place * number : (place + 1) * number]
        own = membership._replace(shadows=chosen)
        for name, result in attack(signals, own, attacks=study.attacks, resamples=1).items():
            found.setdefault(name, []).append(float(result.auc.value or np.nan))
    return found


def of_recipe(study: Study, recipe: Recipe, membership: Membership, out: Path) -> dict[str, Any]:
    """The curve of one recipe's fleet, by the number of shadows."""
    phi = np.load(out / "signals" / f"{recipe.slug}.npy")
    finite = np.isfinite(phi).all(axis=(1, 2))
    membership = membership._replace(
        targets=tuple(model for model in membership.targets if finite[model]),
        shadows=tuple(model for model in membership.shadows if finite[model]),
    )
    signals = {"confidence": phi}
    own = numbers_of(len(membership.shadows))
    found = shadow_curve(
        signals, membership, own, study.attacks, resamples=study.resamples, seed=study.seed
    )
    # A recipe without an epoch of its own has it all from an earlier one.
    spent = json.loads((out / "seconds.json").read_text()).get(recipe.slug, {})
    spent = dict.fromkeys(_now(), 0.0) | spent
    return {
        str(number): {
            "seconds": {kind: s * number / len(phi) for kind, s in spent.items()},
            "attacks": {
                name: {metric: one[metric]._asdict() for metric in METRICS if metric in one.metrics}
                for name, one in results.items()
            },
            "missing": missing(results, found[own[-1]], study),
            "other sets": other_sets(signals, membership, number, study),
        }
        for number, results in found.items()
    }


def _interval(found: Mapping[str, float | None] | None, digits: int = 3) -> str:
    return "n/a" if found is None else f"{read_estimate(found):.{digits}f}"


def _sets(auc: list[float]) -> str:
    return f"{min(auc):.3f} to {max(auc):.3f}" if len(auc) > 1 else "-"


def table(shadows: Mapping[str, Any]) -> str:
    """What `shadows.json` holds, in tables of Markdown."""
    cells = {
        title: lambda own, name, metric=metric: _interval(own["attacks"][name].get(metric))
        for metric, title in METRICS.items()
    }
    cells["AUC of sets that share none"] = lambda own, name: _sets(own["other sets"][name])
    cells["AUC missing"] = lambda own, name: _interval(own["missing"][name]["auc"], 4)
    lines = []
    for slug, curve in shadows.items():
        spent = [own["seconds"] for own in curve.values()]
        for title, cell in cells.items():
            lines += [
                f"| {slug}: {title} | {' | '.join(curve)} |",
                f"| --- {'| --- ' * len(curve)}|",
                *(
                    f"| {name} | {' | '.join(cell(own, name) for own in curve.values())} |"
                    for name in next(iter(curve.values()))["attacks"]
                ),
                "",
            ]
        lines[-1:-1] = [
            f"| {title} | {' | '.join(f'{own[kind]:.1f}' for own in spent)} |"
            for kind, title in (("wall", "seconds of training"), ("processor", "of the processors"))
        ]
    return "\n".join(lines)


def _draw(axes: Axes, curve: Mapping[str, Any], metric: str) -> None:
    attacks = list(next(iter(curve.values()))["attacks"])
    for name, colour, marker in zip(attacks, COLOURS, MARKERS, strict=False):
        known = {
            int(number): found
            for number, own in curve.items()
            if (found := own["attacks"][name].get(metric)) and found["value"] is not None
        }
        if not known:
            continue
        ends = {end: [one[end] for one in known.values()] for end in ("value", "low", "high")}
        dashed = "--" if "variance" in name else "-"
        style = {"color": colour, "marker": marker, "markersize": 4, "label": name}
        axes.plot(list(known), ends["value"], dashed, **style)
        axes.fill_between(list(known), ends["low"], ends["high"], color=colour, alpha=0.12)
    axes.set_xscale("log", base=2)
    axes.set_xticks([int(number) for number in curve], list(curve))
    axes.set_xlabel("shadows")
    axes.set_ylabel(METRICS[metric])


def draw(shadows: Mapping[str, Any], path: Path, title: str) -> None:
    """Draws strength over the number of shadows: recipes below each other, metrics side by side."""
    figure = Figure(figsize=(13, 0.8 + 3.6 * len(shadows)), layout="constrained", dpi=80)
    figure.suptitle(title)
    grid = figure.subplots(len(shadows), len(METRICS), squeeze=False)
    for row, (slug, curve) in zip(grid, shadows.items(), strict=True):
        for axes, metric in zip(row, METRICS, strict=True):
            _draw(axes, curve, metric)
            axes.set_title(slug, fontsize="medium")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")
    write(path, lambda file: figure.savefig(file, format="png"))


@click.command()
@click.argument("data", type=click.Path(path_type=Path), required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Default: runs/<study name>.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="As of `pptp run`.")
def main(data: Path | None, out: Path | None, changes: tuple[str, ...]) -> None:
    """Trains the digits' fleets, or those of Location-30 in the file DATA, and attacks them."""
    with errors_as_sentences(resumable=True):
        own = overridden(study if data is None else on_location30(study, data), changes)
        out = Path("runs") / own.name if out is None else out
        trained(own, out)
        ready, loaded = prepared(own)
        membership = ready.membership(len(loaded))
        shadows = {r.slug: of_recipe(ready, r, membership, out) for r in own.recipes}
        write_json(out / "shadows.json", shadows)
        text = table(shadows)
        write_text(out / "shadows.txt", text)
        targets = len(membership.targets)
        draw(shadows, out / "shadows.png", f"{loaded.name}: {targets} targets, 95 % intervals")
        click.echo(text)


if __name__ == "__main__":
    main()
