"""Running a study: train, attack, measure, and write down everything."""

import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pptp_jax.attacks import ATTACKS, attack_targets
from pptp_jax.data import Membership
from pptp_jax.metrics import FPRS, UNRESOLVED, Estimate, attack_metrics, mean_over
from pptp_jax.study.config import Study, describe
from pptp_jax.study.files import write, write_json
from pptp_jax.study.fingerprint import fingerprint
from pptp_jax.study.fleets import Fleet, fleet
from pptp_jax.training import Progress, Recipe

PACKAGES = ("pptp-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")

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
    signals = out / "signals"
    for name, array in (
        ("membership", membership.matrix),
        ("labels", data.y),
        ("example_ids", data.ids),
    ):
        write(signals / f"{name}.npy", lambda file, array=array: np.save(file, array))
    homes = [
        # Where anything changes that a fleet depends on, it is another fleet; the old one stays for
        # those who change it back.
        out / "fleets" / f"{recipe.slug}-{fingerprint(study, recipe, data, membership)[:12]}"
        for recipe in study.recipes
    ]
    rows = []
    for recipe, home in zip(study.recipes, homes, strict=True):

        def told(progress: Progress, recipe: Recipe = recipe) -> None:
            on_progress(recipe, progress)

        trained = fleet(study, recipe, data, membership, home, resume=resume, on_progress=told)
        path = signals / f"{recipe.slug}.npy"
        write(path, lambda file, trained=trained: np.save(file, trained.confidence))
        row, scores = _attacked(study, recipe, trained, membership)
        path = out / "scores" / f"{recipe.slug}.npz"
        write(path, lambda file, scores=scores: np.savez(file, **scores))
        rows.append(row)
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
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "device": str(jax.devices()[0].device_kind),
        "seconds": round(time.monotonic() - began, 1),
        "rows": rows,
    }
    write_json(out / "results.json", results)
    return results


def _attacked(
    study: Study, recipe: Recipe, trained: Fleet, membership: Membership
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A row of the results, and the scores behind it.

    Models that diverged neither stand as targets nor help as shadows; the row names them.
    """
    kept = np.flatnonzero(trained.finite)
    targets = [i for i in membership.targets if trained.finite[i]]
    row: dict[str, Any] = {
        "recipe": recipe.name,
        "defence": recipe.defence,
        "strength": recipe.strength,
        "region": recipe.region_name,
        "epochs": recipe.epochs,
        "slug": recipe.slug,
        "diverged": np.flatnonzero(~trained.finite).tolist(),
        "notes": [],
    }
    seen = np.ix_(targets, membership.evaluated)
    truth = membership.matrix[seen]
    sampling = {"resamples": study.resamples, "seed": study.seed}
    for name, chosen in (("train_accuracy", truth), ("test_accuracy", ~truth)):
        row[name] = mean_over(trained.correct[seen], chosen, **sampling)._asdict()
    row["attacks"] = {}
    scores: dict[str, np.ndarray] = {
        "targets": np.array(targets),
        "examples": membership.evaluated,
        "membership": truth,
    }
    own = np.ix_(kept, range(trained.confidence.shape[1]), membership.evaluated)
    for name in study.attacks:
        found = dict.fromkeys(
            ["auc", *(f"tpr@{r:g}" for r in FPRS), "balanced_accuracy"], UNRESOLVED
        )
        try:
            scores[name] = attack_targets(
                ATTACKS[name],
                trained.confidence[own],
                membership.matrix[np.ix_(kept, membership.evaluated)],
                [int(np.searchsorted(kept, i)) for i in targets],
                [int(np.searchsorted(kept, i)) for i in membership.shadows if i in kept],
            )
            found |= attack_metrics(scores[name], truth, **sampling)
        except ValueError as error:
            row["notes"].append(f"{name}: {error}")
        row["attacks"][name] = {key: Estimate._asdict(value) for key, value in found.items()}
    return row, scores
