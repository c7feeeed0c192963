"""Running a study: train, attack, measure, and write down everything."""

import json
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from pptp_jax import __version__
from pptp_jax.data import Dataset, Membership
from pptp_jax.files import link, sweep, write, write_array, write_arrays, write_json
from pptp_jax.lock import held
from pptp_jax.processes import Processes
from pptp_jax.signals import SignalStore
from pptp_jax.study.comparisons import comparisons, curves
from pptp_jax.study.config import Study, describe
from pptp_jax.study.fingerprint import fingerprint
from pptp_jax.study.fleets import fleet
from pptp_jax.study.kept import Kept
from pptp_jax.study.learned import warnings
from pptp_jax.study.measure import Attacked, attacked, row, white_box
from pptp_jax.study.plan import predicted_bytes, resolved_regions
from pptp_jax.study.readme import render_readme
from pptp_jax.study.riskiest import write_riskiest
from pptp_jax.study.robust import robustness
from pptp_jax.study.slices import slices
from pptp_jax.study.standardize import prepared
from pptp_jax.study.watch import Watch
from pptp_jax.training import Progress, Recipe, Strategy, usual_strategy
from pptp_jax.validation import Refused

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")

OnProgress = Callable[[Recipe, Progress], None]
Chooser = Callable[[Study, Dataset], Strategy]


def run(
    study: Study,
    out: Path,
    *,
    strategy: Chooser = lambda study, data: usual_strategy(),
    resume: bool = True,
    command: str | None = None,
    on_progress: OnProgress = lambda recipe, progress: None,
    stop: Callable[[], bool] = lambda: False,
    processes: Processes | None = None,
    tell: Callable[[str], object] = lambda sentence: None,
) -> dict[str, Any]:
    """Trains every recipe's fleet, attacks it, and writes results, signals and scores.

    Everything that can be wrong with the study is found before the first model is trained. What an
    earlier run into the same directory has finished is used again as long as nothing that it
    depends on has changed.

    Args:
        study: the study.
        out: the directory, made where it is missing: `README.md` and `manifest.json`, written
            before the first model is trained, `signals/`, `scores/`, `riskiest.npz`,
            `results.json`, which is there when all of them are, and `fleets/`, from which an
            interrupted run goes on.
        strategy: chooses how fleets are trained. Those that an earlier run has begun keep theirs.
        resume: whether finished fleets of an earlier run are used.
        command: what a person types to get the same numbers, to be written down.
        on_progress: is told after each epoch.
        stop: whether to stop, asked after each epoch.
        processes: those that share the work, as `joining.joined` gives them; each trains its part
            of a fleet, and process 0 does the rest.
        tell: is told in a sentence what memory the models of each recipe are predicted to need
            before they are trained, and if it does not suffice, so that fewer are trained side by
            side; and if the first models do not begin to learn.

    Returns:
        The content of `results.json`.

    Raises:
        ValueError: if the study does not fit its data, or another run goes into `out`; if processes
            run different studies, or do not see the same directory.
        KeyboardInterrupt: if `stop` says so, when what is being trained has been saved.
    """
    processes = processes or Processes()
    with held(out) if processes.first else nullcontext():
        if processes.first:
            sweep(out)
        processes.check_shared(out)
        return _run(study, out, strategy, resume, command, on_progress, stop, processes, tell)


def _run(
    study: Study,
    out: Path,
    strategy: Chooser,
    resume: bool,
    command: str | None,
    on_progress: OnProgress,
    stop: Callable[[], bool],
    processes: Processes,
    tell: Callable[[str], object],
) -> dict[str, Any]:
    began = time.monotonic()
    study, data = prepared(study)
    division, membership = study.division(len(data)), study.membership(len(data))
    # Where anything changes that a fleet depends on, it is another fleet; the old one stays for
    # those who change it back.
    keys = [fingerprint(study, recipe, data, division, membership) for recipe in study.recipes]
    if processes.agree(lambda: keys) != keys:
        raise Refused(f"process {processes.index} has another study or other data than process 0")
    # The others take that of process 0 from the plan of each fleet.
    worked = strategy(study, data) if processes.first else usual_strategy()
    homes = [
        f"fleets/{recipe.slug}-{key[:12]}" for recipe, key in zip(study.recipes, keys, strict=True)
    ]
    manifest = _manifest(study, data, membership, command, worked, processes.count)
    if processes.first:
        readme = render_readme(manifest).encode()
        write(out / "README.md", lambda file: file.write(readme))
        write_json(out / "manifest.json", manifest | {"fleets": homes})
    steps = manifest["members"] // study.batch_size
    watch = Watch(labels=data.y[division.evaluated], steps=steps, tell=tell)

    def followed(recipe: Recipe, now: Progress) -> None:
        on_progress(recipe, now)
        if processes.first:
            watch(recipe, now)

    trained: list[tuple[Recipe, Kept]] = []
    for recipe, key, home in zip(study.recipes, keys, homes, strict=True):
        own = fleet(
            study,
            recipe,
            data,
            membership,
            out / home,
            key=key,
            strategy=worked,
            resume=resume,
            on_progress=partial(followed, recipe),
            stop=stop,
            processes=processes,
            tell=tell,
        )
        trained.append((recipe, own))
    if not processes.first:
        processes.wait()
        return dict(json.loads((out / "results.json").read_text()))
    ends = {recipe.slug: kept[max(kept)] for recipe, kept in trained}
    seen = {slug: attacked(end, membership, study.attacks, data) for slug, end in ends.items()}
    rows = []
    for recipe, home in zip(study.recipes, homes, strict=True):
        regions = resolved_regions(study, recipe, data)
        record = None if regions is None else regions.to_json()
        end, attack = ends[recipe.slug], seen[recipe.slug]
        found = row(study, recipe, end, attack, manifest["members"])
        accuracy = found["train_accuracy"]
        found |= {"warnings": warnings(end, membership, attack, data.y, accuracy)}
        found |= slices(study, data, end, membership, attack)
        found |= {"regions": record, "white_box": white_box(study, end, membership)}
        found |= {"robustness": robustness(study, end, membership)}
        rows.append(found | {"predicted_bytes": predicted_bytes(out / home)})
    drawn = curves(study, trained, membership)
    verdicts = comparisons(study, drawn)
    results = manifest | {
        "seconds": round(time.monotonic() - began, 1),
        "rows": rows,
        "compared": study.compared,
        "curves": [curve.to_json() for curve in drawn],
        "comparisons": verdicts,
    }
    # It vouches for all that lies beside it.
    (out / "results.json").unlink(missing_ok=True)
    stores = {recipe.slug: kept.end for recipe, kept in trained}
    _write_signals(out / "signals", data, membership, stores)
    _write_scores(out / "scores", membership, seen)
    write_riskiest(out / "riskiest.npz", data, membership, seen, study.compared)
    write_json(out / "results.json", results)
    processes.wait()
    return results


def _manifest(
    study: Study,
    data: Dataset,
    membership: Membership,
    command: str | None,
    strategy: Strategy,
    processes: int,
) -> dict[str, Any]:
    """What is known of a run before its first model is trained."""
    return {
        "study": study.name,
        "command": command,
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
        "queries": [query.name for query in study.queries],
        "seed": study.seed,
        "versions": {"python": platform.python_version(), "pptp-jax": __version__}
        | {package: version(package) for package in PACKAGES},
        "strategy": describe(strategy),
        "device": str(jax.local_devices()[0].device_kind),
        "processes": processes,
    }


def _write_signals(
    directory: Path, data: Dataset, membership: Membership, stores: Mapping[str, SignalStore]
) -> None:
    # Signals of an earlier run may belong to another membership matrix; fleets/ still has them.
    shutil.rmtree(directory, ignore_errors=True)
    write_array(directory / "membership.npy", membership.matrix)
    write_array(directory / "labels.npy", data.y)
    write_array(directory / "example_ids.npy", data.ids)
    for slug, store in stores.items():
        link(store.path("confidence"), directory / f"{slug}.npy")
        link(store.path("logits"), directory / "logits" / f"{slug}.npy")


def _write_scores(
    directory: Path, membership: Membership, attacked: Mapping[str, Attacked]
) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    for slug, seen in attacked.items():
        arrays = {
            "targets": seen.targets,
            "examples": membership.evaluated,
            "membership": seen.membership,
        }
        write_arrays(directory / f"{slug}.npz", arrays | seen.scores)
