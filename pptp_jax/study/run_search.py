"""Run a search: try settings on one fleet, report the choice on a fresh one."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pptp_jax.evaluation import Measure
from pptp_jax.evaluation.schema import plain
from pptp_jax.evaluation.selection_cost import SelectionCost, selection_cost
from pptp_jax.fleets import Runtime, fingerprint, run_fleets
from pptp_jax.fleets.fingerprint import home_name
from pptp_jax.privacy import RandomTrials, private_selection
from pptp_jax.storage.files import sweep, write_json, write_text
from pptp_jax.storage.kinds import check_kind
from pptp_jax.storage.lock import held
from pptp_jax.storage.provenance import provenance
from pptp_jax.storage.record import describe
from pptp_jax.study.comparisons import Setting, settings
from pptp_jax.study.config import Study
from pptp_jax.study.guarantee import guarantee, ledgers
from pptp_jax.study.readme import FILES, readme, taken_up
from pptp_jax.study.run import run
from pptp_jax.study.search import LargestMargin, Search
from pptp_jax.study.search_words import no_choice, sentence
from pptp_jax.study.standardize import prepared
from pptp_jax.study.trials import Trial, chosen, lower_end, margin_of, trials
from pptp_jax.training import Recipe
from pptp_jax.training.single_precision import in_single_precision
from pptp_jax.validation import Refused
from pptp_jax.validation.extras import extra

PACKAGES = ("flax", "optax", "optuna", "numpy")
_FILES = {name: FILES[name] for name in ("manifest.json", "fleets/", ".lock")} | {
    "search.json": "every trial, the choice and what it cost, the configuration, versions and the "
    "command; it is written last, so a search that has it is finished",
    "table.txt": "the trials and the sentences as they were printed",
    "fresh/": "the choice and the study's recipes on the fresh fleet: a run of a study, with its "
    "report",
}


@in_single_precision
def run_search(
    search: Search, out: Path, *, runtime: Runtime | None = None, command: str | None = None
) -> dict[str, Any]:
    """Tries settings, chooses the best, and reports it on a fresh fleet with the selection cost.

    Each trial is a fleet, attacked by the study's `compared` attack. The fresh fleet has another
    seed: other members, initial values, batches and resamples, of the same data set. A search that
    was stopped goes on with the same trials: finished fleets are read from disk, and what is tried
    next depends on nothing but the search and its earlier trials.

    Args:
        search: the search.
        out: the directory, made where it is missing: `manifest.json`, `README.md`, `fleets/`,
            `fresh/`, and `search.json`, which is there when all of it is.
        runtime: how the fleets are executed; None executes them in this process.
        command: what a person types to get the same numbers, to be written down.

    Returns:
        The content of `search.json`.

    Raises:
        ValueError: if the study does not fit its data, no recipe of it can be attacked, another
            process writes into `out`, or `out` holds another kind of run.
        ImportError: if optuna is not installed.
        KeyboardInterrupt: if the runtime says stop, when what is being trained has been saved.
    """
    extra("optuna", "search")  # before anything is trained
    check_kind(out, "search", search.study.name)
    with held(out):
        sweep(out)
        return _run(search, out, Runtime() if runtime is None else runtime, command)


def _run(search: Search, out: Path, runtime: Runtime, command: str | None) -> dict[str, Any]:
    began = time.monotonic()
    study = replace(search.study, trajectory=())
    if not runtime.resume:  # once, not before each trial
        for part in ("fleets", "fresh"):
            shutil.rmtree(out / part, ignore_errors=True)
        runtime = replace(runtime, resume=True)
    (out / "search.json").unlink(missing_ok=True)
    manifest = {
        "kind": "search",
        "study": study.name,
        "command": command,
        "config": describe(search),
        "seed": search.seed,
        "compared": study.compared,
        "utility_name": study.model.task.utility_name,
        "higher_is_better": study.model.task.higher_is_better,
    } | provenance(*PACKAGES)
    write_json(out / "manifest.json", manifest)
    what = (
        f"{search.trials} settings of a recipe, each a fleet that was attacked, the best of them "
        "again on a fresh fleet, by pptp_jax."
    )
    again = taken_up(command, "pptp_jax.study.run_search")
    title = f"A search by the study {study.name}"
    write_text(out / "README.md", readme(title, what, again, files=_FILES, reported="DIR/fresh"))
    rivals = _measured(study, study.recipes, out, runtime)
    if not rivals:
        raise Refused(f"no recipe of {study.name} can be attacked by {study.compared}")

    named = {recipe.slug: recipe for recipe in study.recipes}

    def measured(parameters: dict[str, Any]) -> tuple[str, Setting | None]:
        recipe = search.made(parameters)
        if describe(named.setdefault(recipe.slug, recipe)) != describe(recipe):
            raise Refused(
                f"two settings have the name {recipe.slug}: let the search's recipe give each a "
                "name of its own, with dataclasses.replace(recipe, name=...)"
            )
        found = _measured(study, (recipe,), out, runtime)
        return recipe.slug, found[0] if found else None

    tried = []
    for trial in trials(search, rivals, measured):
        tried.append(trial)
        runtime.log(f"trial {trial.number + 1} of {search.trials}: {_line(trial)}")
    taken = chosen(search, tried)
    found = _on_fresh(search, study, taken, out, runtime, command) if taken else []
    results = manifest | {
        "seconds": round(time.monotonic() - began, 1),
        "trials": [_record(trial) for trial in tried],
        "rivals": [_measures(setting) for setting in rivals],
        "chosen": found,
        "sentences": [sentence(own, manifest) for own in found] or [no_choice(search.objective)],
    }
    write_json(out / "search.json", results)
    return dict(json.loads((out / "search.json").read_text()))


def _measured(
    study: Study, recipes: Sequence[Recipe], out: Path, runtime: Runtime
) -> list[Setting]:
    """Trains the fleets of some recipes, or reads them, and attacks their ends."""
    study, data = prepared(replace(study, recipes=tuple(recipes)))
    membership = study.membership(len(data))
    specs = [study.fleet_spec(recipe, data, membership) for recipe in study.recipes]
    keys = [fingerprint(spec) for spec in specs]
    homes = [
        out / "fleets" / home_name(recipe.slug, key)
        for recipe, key in zip(study.recipes, keys, strict=True)
    ]
    trained = run_fleets(specs, homes, runtime, keys=keys)
    return settings(study, list(zip(study.recipes, trained, strict=True)), membership)


def _on_fresh(
    search: Search,
    study: Study,
    taken: list[Trial],
    out: Path,
    runtime: Runtime,
    command: str | None,
) -> list[dict[str, Any]]:
    """The choice on a fresh fleet, beside its metrics in the search."""
    recipes = {trial.number: search.made(trial.parameters) for trial in taken}
    every = {recipe.slug: recipe for recipe in (*study.recipes, *recipes.values())}
    fresh = replace(study, seed=search.fresh_seed, recipes=tuple(every.values()))
    run(fresh, out / "fresh", runtime=runtime, command=command)
    seen = {own.recipe.slug: own for own in _measured(fresh, fresh.recipes, out / "fresh", runtime)}
    again = [seen[own.slug] for own in study.recipes if own.slug in seen]
    measure = Measure.of(study.model.task)
    found = []
    for trial in taken:
        record = _record(trial) | {"epsilon": None, "private_selection": None}
        if (own := seen.get(trial.recipe)) is None:  # every model diverged there
            found.append(record | {"utility": None, "auc": None, "margin": None})
            continue
        costs = {
            "utility": selection_cost(trial.utility, own.point.utility, measure.sign),
            "auc": selection_cost(trial.auc, own.point.strength["auc"], -1),
        }
        if isinstance(search.objective, LargestMargin):
            assert trial.margin is not None
            costs["margin"] = selection_cost(trial.margin, margin_of(own, again, measure))
        found.append(record | {name: _cost(cost) for name, cost in costs.items()})
        found[-1] |= _private(search, study, recipes[trial.number])
    return found


def _private(search: Search, study: Study, recipe: Recipe) -> dict[str, Any]:
    """The ε of one training, and what it would be if a private selection had chosen it."""
    study, data = prepared(replace(study, recipes=(recipe,)))
    members = int(study.membership(len(data)).matrix[0].sum())
    sizes: dict[str, Any] = {
        "model": study.model,
        "members": members,
        "batch_size": study.batch_size,
    }
    try:
        own = guarantee(recipe, **sizes)
        if own is None:
            return {}
        selected = private_selection(
            [ledgers(recipe, **sizes)],
            delta=own.delta,
            trials=RandomTrials(mean=search.trials),
        )
    except (ImportError, Refused):
        return {}
    return {"epsilon": asdict(own), "private_selection": asdict(selected)}


def _record(trial: Trial) -> dict[str, Any]:
    known: dict[str, Any] = {
        "trial": trial.number,
        "parameters": trial.parameters,
        "recipe": trial.recipe,
        "utility": None,
        "auc": None,
        "margin": None,
    }
    if trial.found is None:
        return known
    if trial.margin is not None and lower_end(trial.margin) is not None:
        known["margin"] = plain(trial.margin.estimate())
    return known | _measures(trial.found)


def _measures(setting: Setting) -> dict[str, Any]:
    point = setting.point
    return {
        "recipe": setting.recipe.slug,
        "utility": plain(point.utility.estimate()),
        "auc": plain(point.strength["auc"].estimate()),
    }


def _cost(found: SelectionCost) -> dict[str, Any]:
    return {name: plain(estimate) for name, estimate in found._asdict().items()}


def _line(trial: Trial) -> str:
    if trial.found is None:
        return f"{trial.recipe} diverged"
    return f"{trial.recipe}, utility {trial.utility.value:.3f}, AUC {trial.auc.value:.3f}"
