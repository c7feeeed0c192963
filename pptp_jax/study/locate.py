"""The risk map of a study's model on its data, written to a directory."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pptp_jax.data import Arrays, Balanced, Dataset, Membership
from pptp_jax.fleets import fingerprint
from pptp_jax.locate import RiskMapSpec, choose, explain, risk_map
from pptp_jax.locate.spec import check_task
from pptp_jax.objectives import Objective, RelaxLoss, TaskLoss
from pptp_jax.regions import asks_for_auto
from pptp_jax.report import draw_risk_map, render_risk_map
from pptp_jax.storage.files import write, write_json, write_text
from pptp_jax.storage.kinds import check_kind, place
from pptp_jax.storage.lock import held
from pptp_jax.storage.provenance import provenance
from pptp_jax.study import Study, prepared
from pptp_jax.training import Recipe, undefended, whole_network
from pptp_jax.training.single_precision import in_single_precision
from pptp_jax.validation import Refused, not_negative

# The defence of a study whose recipes have none, if its task has classes.
_DEFAULT = RelaxLoss(alpha=1.0)


@in_single_precision
def locate_study(
    study: Study,
    out: Path,
    *,
    epochs: int | None = None,
    retrain: int = 4,
    budget: float | None = None,
    file: Path | None = None,
) -> dict[str, Any]:
    """Makes the risk map of a study's model on its data, by its split, optimiser and seed.

    Where the study sets examples aside for tuning, these are the ones that are used, and the final
    evaluation never sees them; else all of them.

    Args:
        study: the study; its recipes give the defence (the first objective that is not the task's
            own loss; without one RelaxLoss 1, or nothing where the task has no classes) and the
            epochs.
        out: the directory, made where it is missing: `risk_map.json`, `risk_map.png`,
            `risk_map.txt`.
        epochs: the epochs of the fleets; None takes those of the study's longest recipe
            `undefended`, or else of its longest recipe.
        retrain: the epochs for which each region is trained alone; 0 leaves this out.
        budget: the most accuracy that `auto` may cost; None takes the study's.
        file: the file that defines the study; None if there is none.

    Returns:
        The content of `risk_map.json`. One that is there already, and depends on nothing that has
        changed, is not made again.

    Raises:
        ValueError: if the study's split is not balanced, another process writes into `out`, `out`
            holds a run of another kind, study or file, or as `risk_map` does.
    """
    began = time.monotonic()
    check_kind(out, "risk map", study.name, file)
    budget = study.budget if budget is None else budget
    not_negative(budget=budget)
    if not isinstance(study.split, Balanced):
        raise Refused(
            f"locating attacks every model with IN and OUT shadows, so the study needs the split "
            f"Balanced(models=...); it has {type(study.split).__name__}"
        )
    check_task(study.model.task)
    epochs = _epochs(study.recipes) if epochs is None else epochs
    study, data = prepared(study)
    membership = study.tuning_membership(len(data))
    rows = membership.evaluated
    depends_on = [
        *_fingerprints(study, epochs, data, membership),
        *map(str, (retrain, budget, study.resamples)),
    ]
    stored = _stored(out / "risk_map.json", depends_on)
    if stored is not None:
        return stored
    whole = Arrays.of(data, augmentation=study.augmentation)
    with held(out):
        with _bar() as on_progress:
            spec = RiskMapSpec(
                model=study.model,
                data=whole._replace(x=whole.x[rows], y=whole.y[rows]),
                matrix=membership.matrix[:, rows],
                defence=_defence(study),
                epochs=epochs,
                early=1 if epochs == 2 else 2,
                retrain=retrain,
                optimizer=study.optimizer,
                batch_size=study.batch_size,
                seed=study.seed,
                resamples=study.resamples,
            )
            found = risk_map(spec, on_progress=on_progress)
        auto: dict[str, Any] = {"budget": budget, "blocks": None}
        try:
            auto["blocks"] = list(choose(found, budget))
            auto["explanation"] = explain(found, budget)
        except ValueError as error:  # that no cut is good enough is a result, too
            auto["explanation"] = str(error)
        risks = {
            "study": study.name,
            **({} if file is None else {"file": place(file, out)}),
            "data": {"name": data.name, "fingerprint": data.fingerprint, "tuning": study.tuning},
            **provenance(),
            "seconds": round(time.monotonic() - began, 1),
            "auto": auto,
            "depends_on": depends_on,
            **found.to_json(),
        }
        write_text(out / "risk_map.txt", f"{render_risk_map(risks)}\n")
        write(out / "risk_map.png", lambda file: draw_risk_map(risks, file))
        write_json(out / "risk_map.json", risks)
        return risks


def with_regions_found(study: Study, out: Path, *, file: Path | None = None) -> tuple[Study, str]:
    """The study with blocks' names in place of the region `auto`, and why it is these.

    Args:
        study: the study; where no recipe asks for `auto`, it comes back as it is, and no word.
        out: where the risk map is written, which is made for this.
        file: the file that defines the study; None if there is none.

    Raises:
        ValueError: if no cut lowers the attack's AUC within the study's budget; or as
            `locate_study` does.
    """
    if not any(asks_for_auto(recipe.region) for recipe in study.recipes):
        return study, ""
    auto = locate_study(study, out, file=file)["auto"]
    if auto["blocks"] is None:
        raise Refused(auto["explanation"])
    found = tuple(auto["blocks"])
    rest = tuple(block.name for block in study.model.blocks if block.name not in found)
    regions = {"auto": found, "not auto": rest}
    recipes = tuple(
        replace(recipe, region=regions[str(recipe.region)])
        if asks_for_auto(recipe.region)
        else recipe
        for recipe in study.recipes
    )
    return replace(study, recipes=recipes), f"auto is {auto['explanation']}"


def _fingerprints(study: Study, epochs: int, data: Dataset, membership: Membership) -> list[str]:
    recipes = undefended(epochs), whole_network(_defence(study), epochs)
    return [fingerprint(study.fleet_spec(recipe, data, membership)) for recipe in recipes]


def _stored(path: Path, depends_on: list[str]) -> dict[str, Any] | None:
    """A risk map that depends on the same; None if there is none or it cannot be read."""
    try:
        risks = json.loads(path.read_text())
        return risks if risks["depends_on"] == depends_on else None
    except (OSError, ValueError, KeyError):
        return None


def _defence(study: Study) -> Objective:
    for recipe in study.recipes:
        for phase in recipe.phases:
            for objective in phase.by_region.values():
                alone = not (objective.needs_reference or objective.needs_teacher)
                if alone and not isinstance(objective, TaskLoss):
                    return objective
    return _DEFAULT if study.model.task.classes else TaskLoss()


def _epochs(recipes: tuple[Recipe, ...]) -> int:
    plain = [recipe for recipe in recipes if recipe.name == "undefended"]
    return max(sum(int(phase.epochs) for phase in r.phases) for r in plain or recipes)


@contextmanager
def _bar() -> Iterator[Callable[[str, float], None]]:
    """Shows the share of the work that is done in a bar, if the standard error is a terminal."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda doing, done: bar.update(task, description=doing, completed=done)
