"""Run a study: train, attack, measure, and write the results."""

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from pptp_jax.data import Dataset
from pptp_jax.evaluation.attack_fleet import attacked
from pptp_jax.evaluation.combination import Combined, combined
from pptp_jax.evaluation.results import RunResults
from pptp_jax.evaluation.riskiest import write_riskiest
from pptp_jax.evaluation.sample_pictures import write_sample_pictures
from pptp_jax.evaluation.schema import typed
from pptp_jax.fleets import Runtime, fingerprint, run_fleets
from pptp_jax.fleets.fingerprint import home_name
from pptp_jax.fleets.plan import predicted_bytes
from pptp_jax.storage.files import sweep, write_json, write_text
from pptp_jax.storage.kinds import check_kind, place
from pptp_jax.storage.lock import held
from pptp_jax.storage.report_files import remove_report
from pptp_jax.study.comparisons import (
    comparisons,
    curves,
    margins_of_settings,
    settings,
)
from pptp_jax.study.config import Study
from pptp_jax.study.losses import recording
from pptp_jax.study.manifest import manifest_of
from pptp_jax.study.notices import notices
from pptp_jax.study.readme import render_readme
from pptp_jax.study.rows import full_row
from pptp_jax.study.run_arrays import (
    write_probabilities,
    write_scores,
    write_signals,
    write_stops,
)
from pptp_jax.study.standardize import prepared
from pptp_jax.study.tokenizer import texts_of
from pptp_jax.study.watch import watching
from pptp_jax.training import Strategy
from pptp_jax.training.single_precision import in_single_precision
from pptp_jax.validation import Refused

Chooser = Callable[[Study, Dataset], Strategy]


@in_single_precision
def run(
    study: Study,
    out: Path,
    *,
    runtime: Runtime | None = None,
    strategy: Chooser | None = None,
    command: str | None = None,
    file: Path | None = None,
) -> dict[str, Any]:
    """Trains every recipe's fleet, attacks it, and writes results, signals and scores.

    Everything that can be wrong with the study is found before the first model is trained. What an
    earlier run into the same directory has finished is used again as long as nothing that it
    depends on has changed.

    Args:
        study: the study.
        out: the directory, made where it is missing: `README.md` and `manifest.json`, written
            before the first model is trained, `signals/`, `scores/`, `combined/`, `riskiest.npz`,
            `results.json`, which is there when all of them are, and `fleets/`, from which an
            interrupted run goes on.
        runtime: how the fleets are executed. Each of its processes trains its part of a fleet,
            and process 0 does the rest. None works them off in this process, as usual.
        strategy: chooses how fleets are trained, given the study and its data; None takes the
            runtime's. Those that an earlier run has begun keep theirs.
        command: what a person types to get the same numbers, to be written down.
        file: the file that defines the study, to be written down; None if there is none.

    Returns:
        The content of `results.json`.

    Raises:
        ValueError: if the study does not fit its data, another run goes into `out`, or `out` holds
            one of another kind, study or file; if processes run different studies, or do not see
            the same directory.
        KeyboardInterrupt: if the runtime says stop, when what is being trained has been saved.
    """
    runtime = Runtime() if runtime is None else runtime
    processes = runtime.processes
    if processes.first:
        check_kind(out, "study", study.name, file)
    with held(out) if processes.first else nullcontext():
        if processes.first:
            sweep(out)
        processes.check_shared(out)
        return _run(study, out, runtime, strategy, command, file)


def _run(
    study: Study,
    out: Path,
    runtime: Runtime,
    strategy: Chooser | None,
    command: str | None,
    file: Path | None,
) -> dict[str, Any]:
    began, processes = time.monotonic(), runtime.processes
    study, data = prepared(study)
    membership = study.membership(data)
    specs = [study.fleet_spec(recipe, data, membership) for recipe in study.recipes]
    # Where anything changes that a fleet depends on, it is another fleet; the old one stays for
    # those who change it back.
    keys = [fingerprint(spec) for spec in specs]
    if processes.agree(lambda: keys) != keys:
        raise Refused(f"process {processes.index} has another study or other data than process 0")
    # The others take that of process 0 from the plan of each fleet.
    if strategy is not None and processes.first:
        runtime = replace(runtime, strategy=strategy(study, data))
    slugs = [recipe.slug for recipe in study.recipes]
    homes = [f"fleets/{home_name(slug, key)}" for slug, key in zip(slugs, keys, strict=True)]
    manifest = manifest_of(study, data, membership, command, runtime)
    if processes.first:
        known = {} if file is None else {"file": place(file, out)}
        write_json(out / "manifest.json", manifest | {"fleets": homes, **known})
        write_text(out / "README.md", render_readme(manifest))
        if alike := manifest["data"].get("likeness"):
            runtime.log(alike["words"])
        for notice in notices(study, membership):
            runtime.log(notice)
    evaluated = None if data.labels is None else data.labels[membership.evaluated]
    watched = watching(runtime, evaluated, manifest["members"] // study.batch_size)
    watched = recording(watched, out / "losses.csv")
    trained = run_fleets(specs, [out / home for home in homes], watched, keys=keys)
    if not processes.first:
        processes.wait()
        return dict(json.loads((out / "results.json").read_text()))
    fleets = dict(zip(slugs, trained, strict=True))
    declared = study.model.task.signals
    seen = {
        slug: attacked(own.end, membership, study.chosen_attacks, data, declared)
        for slug, own in fleets.items()
    }
    draws: dict[str, Any] = {"resamples": study.resamples, "seed": study.seed}
    together = {
        slug: combined(own.scores, own.membership, study.compared, **draws)
        if study.combine
        else Combined()
        for slug, own in seen.items()
    }
    rows = tuple(
        full_row(
            study,
            spec,
            data,
            membership,
            fleets[spec.recipe.slug].end,
            seen[spec.recipe.slug],
            together[spec.recipe.slug],
            predicted_bytes(out / home),
        )
        for spec, home in zip(specs, homes, strict=True)
    )
    reached = settings(study, list(zip(study.recipes, trained, strict=True)), membership)
    drawn = curves(study, reached)
    found_of_all = {
        "seconds": round(time.monotonic() - began, 1),
        "compared": study.compared,
        "curves": [curve.to_json() for curve in drawn],
        "comparisons": comparisons(study, drawn),
        "margins": margins_of_settings(study, reached),
    }
    results = RunResults(rows=rows, **typed(manifest | found_of_all)).to_json()
    # It vouches for all that lies beside it.
    (out / "results.json").unlink(missing_ok=True)
    remove_report(out)
    write_signals(out / "signals", data, membership, fleets)
    write_scores(out / "scores", membership, seen)
    write_stops(out / "scores", membership, reached)
    write_probabilities(out / "combined", data, membership, seen, together)
    ends = {slug: fleet.end for slug, fleet in fleets.items()}
    write_riskiest(
        out / "riskiest.npz",
        data,
        membership,
        seen,
        study.compared,
        fleets=ends,
        texts=texts_of(study.data, data),
    )
    write_sample_pictures(out / "samples.npz", data, membership, ends)
    write_json(out / "results.json", results)
    processes.wait()
    return results
