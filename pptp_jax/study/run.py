"""Running a study: train, attack, measure, and write down everything."""

import platform
import shutil
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pptp_jax import __version__
from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.data import Dataset, Membership
from pptp_jax.metrics import FPRS, UNRESOLVED, attack_metrics, mean_over
from pptp_jax.regions import region_name
from pptp_jax.study.config import Study, describe
from pptp_jax.study.files import write_array, write_arrays, write_json
from pptp_jax.study.fingerprint import fingerprint
from pptp_jax.study.fleets import Fleet, fleet, resolved_regions
from pptp_jax.training import Progress, Recipe

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")

OnProgress = Callable[[Recipe, Progress], None]


def run(
    study: Study,
    out: Path,
    *,
    resume: bool = True,
    on_progress: OnProgress = lambda recipe, progress: None,
) -> dict[str, Any]:
    """Trains every recipe's fleet, attacks it, and writes results, signals and scores.

    Everything that can be wrong with the study is found before the first model is trained. What an
    earlier run into the same directory has finished is used again as long as nothing that it
    depends on has changed.

    Args:
        study: the study.
        out: the directory, made where it is missing: `results.json`, `signals/`, `scores/`, and
            `fleets/`, from which an interrupted run goes on.
        resume: whether finished fleets of an earlier run are used.
        on_progress: is told after each epoch.

    Returns:
        The content of `results.json`.

    Raises:
        ValueError: if the study does not fit its data.
    """
    began = time.monotonic()
    data = study.load()
    membership = study.split.draw(len(data), study.seed)
    homes = [
        # Where anything changes that a fleet depends on, it is another fleet; the old one stays for
        # those who change it back.
        out / "fleets" / f"{recipe.slug}-{fingerprint(study, recipe, data, membership)[:12]}"
        for recipe in study.recipes
    ]
    fleets = [
        fleet(
            study,
            recipe,
            data,
            membership,
            home,
            resume=resume,
            on_progress=partial(on_progress, recipe),
        )
        for recipe, home in zip(study.recipes, homes, strict=True)
    ]
    attacked = [
        _attacked(study, recipe, trained, membership)
        for recipe, trained in zip(study.recipes, fleets, strict=True)
    ]
    for recipe, (row, _) in zip(study.recipes, attacked, strict=True):
        regions = resolved_regions(study, recipe, data)
        row["regions"] = None if regions is None else regions.to_json()
    results = {
        "study": study.name,
        "config": describe(study),
        "data": {
            "name": data.name,
            "examples": len(data),
            "classes": data.num_classes,
            "fingerprint": data.fingerprint,
        },
        "models": study.split.models,
        "targets": len(membership.targets),
        "members": int(membership.matrix[0].sum()),
        "seed": study.seed,
        "versions": {"python": platform.python_version(), "pptp-jax": __version__}
        | {package: version(package) for package in PACKAGES},
        "device": str(jax.devices()[0].device_kind),
        "seconds": round(time.monotonic() - began, 1),
        "rows": [row for row, _ in attacked],
    }
    _write_signals(out / "signals", study, data, membership, fleets)
    shutil.rmtree(out / "scores", ignore_errors=True)
    for recipe, (_, scores) in zip(study.recipes, attacked, strict=True):
        write_arrays(out / "scores" / f"{recipe.slug}.npz", scores)
    write_json(out / "results.json", results)
    return results


def _write_signals(
    directory: Path, study: Study, data: Dataset, membership: Membership, fleets: list[Fleet]
) -> None:
    # Signals of an earlier run may belong to another membership matrix; fleets/ still has them.
    shutil.rmtree(directory, ignore_errors=True)
    write_array(directory / "membership.npy", membership.matrix)
    write_array(directory / "labels.npy", data.y)
    write_array(directory / "example_ids.npy", data.ids)
    for recipe, trained in zip(study.recipes, fleets, strict=True):
        write_array(directory / f"{recipe.slug}.npy", trained.confidence)


def _attacked(
    study: Study, recipe: Recipe, trained: Fleet, membership: Membership
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A row of the results, and the scores behind it.

    Models that diverged neither stand as targets nor help as shadows; the row names them.
    """
    kept = np.flatnonzero(trained.finite)
    targets = np.array([i for i in membership.targets if trained.finite[i]], int)
    row: dict[str, Any] = {
        "recipe": recipe.name,
        "defence": recipe.defence,
        "strength": recipe.strength,
        "region": region_name(recipe.region),
        "epochs": recipe.epochs,
        "slug": recipe.slug,
        "diverged": np.flatnonzero(~trained.finite).tolist(),
        "train_loss": trained.loss[trained.finite].mean(axis=0).tolist() if kept.size else [],
        "notes": [],
    }
    seen = np.ix_(targets, membership.evaluated)
    truth = membership.matrix[seen]
    for name, chosen in (("train_accuracy", truth), ("test_accuracy", ~truth)):
        row[name] = mean_over(
            trained.correct[seen], chosen, resamples=study.resamples, seed=study.seed
        )._asdict()
    row["attacks"] = {}
    scores: dict[str, np.ndarray] = {
        "targets": targets,
        "examples": membership.evaluated,
        "membership": truth,
    }
    queries = np.arange(trained.confidence.shape[1])
    for name in study.attacks:
        found = dict.fromkeys(
            ["auc", *(f"tpr@{r:g}" for r in FPRS), "balanced_accuracy"], UNRESOLVED
        )
        try:
            scores[name] = attack_targets(
                ATTACKS[name],
                trained.confidence[np.ix_(kept, queries, membership.evaluated)],
                membership.matrix[np.ix_(kept, membership.evaluated)],
                np.searchsorted(kept, targets).tolist(),
                [int(np.searchsorted(kept, i)) for i in membership.shadows if i in kept],
            )
            found |= attack_metrics(scores[name], truth, resamples=study.resamples, seed=study.seed)
        except ValueError as error:
            row["notes"].append(f"{name}: {error}")
        row["attacks"][name] = {key: value._asdict() for key, value in found.items()}
    return row, scores
