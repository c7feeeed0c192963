"""Compare two runs by the files in their directories."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pptp_jax.attacks.title import attack_name
from pptp_jax.evaluation.curve import Curve
from pptp_jax.evaluation.matched_utility import matched_utilities
from pptp_jax.evaluation.method import method_name
from pptp_jax.evaluation.point import Point, point
from pptp_jax.evaluation.results import RecipeResult, RunResults
from pptp_jax.evaluation.rivals import tuned_rivals
from pptp_jax.evaluation.run_files import (
    AGAIN,
    Scores,
    read_scores,
    read_stops,
    read_study_results,
)
from pptp_jax.metrics import Bootstrap
from pptp_jax.storage.kinds import kind_name, kind_of
from pptp_jax.validation import Refused

Found = Mapping[str, RunResults]
METRICS = ("auc", "tpr@0.01", "tpr@0.001")


class Method(NamedTuple):
    """The name of a method, and whether it protects a region."""

    name: str
    protects: bool


def compare_runs(a: Path, b: Path) -> dict[str, Any]:
    """Compares two runs on the same data: settings, metrics, and utility at equal attack strength.

    Methods that both runs have are compared at equal strength of the attack by which the first run
    compares; where they have none in common, each with each. Every method that protects a region
    is compared as well with the hull of all methods of both runs that protect none. A curve has the
    ends of recipes and their stops on the way. That needs the same members in both runs, so that
    differences are paired; otherwise the numbers stand beside each other, and the reason is given.

    Args:
        a: the directory of one run.
        b: that of the other.

    Returns:
        Plain data: `measure`, the name of the utility; `rows`, each recipe's utility and attack;
        `config`, what differs; `comparisons`, as `MatchedComparison.to_json` gives them;
        `unmatched`, why there are none, or None; `left_out`, in sentences, which recipes could not
        be attacked, and are not compared.

    Raises:
        ValueError: if one is no finished run of a study, is damaged, or they are of different data.
    """
    homes = {"a": a, "b": b}
    if a.resolve() == b.resolve():
        raise Refused(f"{a} is one run; give the directories of two")
    found = {side: _read(home) for side, home in homes.items()}
    _check_data(homes, found)
    attack = found["a"].compared
    unmatched = _unmatched(homes, found, attack)
    sides = {} if unmatched else {s: _curves(s, homes[s], found[s], attack) for s in homes}
    return {
        "a": str(a),
        "b": str(b),
        "attack": attack,
        "measure": found["a"].utility_name,
        "rows": [row for side, results in found.items() for row in _rows(side, results, attack)],
        "config": _differences(found["a"].config, found["b"].config),
        "comparisons": _comparisons(sides, attack),
        "unmatched": unmatched,
        "left_out": [] if unmatched else [*_left_out(homes, found, attack)],
    }


def _read(home: Path) -> RunResults:
    if kind_of(home) == "signals":
        raise Refused(
            f"{home} holds {kind_name('signals')}, and `pptp compare` takes runs of studies: "
            "compare the verdicts and reports of two audits by eye"
        )
    results = read_study_results(home)
    _complete(home, results.config, ("resamples",), "its configuration")
    _complete(home, results.data, ("fingerprint", "name", "examples"), "what it says of data")
    return results


def _complete(home: Path, part: Mapping[str, Any], keys: Sequence[str], what: str) -> None:
    lacking = set(keys) - set(part)
    if lacking:
        raise Refused(f"{home / 'results.json'} is damaged ({what} lacks {min(lacking)}); {AGAIN}")


def _check_data(homes: Mapping[str, Path], found: Found) -> None:
    one, other = (found[side].data for side in ("a", "b"))
    if one["fingerprint"] != other["fingerprint"]:
        each = [f"{d['name']} ({d['examples']} examples)" for d in (one, other)]
        raise Refused(
            f"the runs are of different examples, {each[0]} in {homes['a']} and {each[1]} in "
            f"{homes['b']}, so their numbers cannot be compared; data, `examples` and `seed` "
            "choose them"
        )
    names = [found[side].utility_name for side in ("a", "b")]
    if names[0] != names[1]:
        raise Refused(
            f"the runs are of different tasks: the utility is {names[0]} in {homes['a']} and "
            f"{names[1]} in {homes['b']}"
        )


def _unmatched(homes: Mapping[str, Path], found: Found, attack: str) -> str | None:
    """Why nothing can be compared at equal attack strength; None if it can."""
    a, b = (_array(home / "signals" / "membership.npy") for home in homes.values())
    if not np.array_equal(a, b):
        return (
            "the models of the two runs have different members (another split, number of models, "
            "seed or share set aside), so differences are not paired"
        )
    for side, home in homes.items():
        reasons = [_impossible(row, attack) for row in found[side].rows]
        if all(reasons):
            why = reasons[0] if reasons else "it has no rows"
            return f"{home} has no {attack_name(attack)}: {why}"
    return None


def _impossible(row: RecipeResult, attack: str) -> str | None:
    """Why a row has no metrics of an attack; None if it has."""
    if attack not in row.attacks:
        return "it was not among the attacks of the study"
    if row.attacks[attack].auc.value is not None:
        return None
    notes = [note for note in row.notes if note.startswith(f"{attack}: ")]
    return notes[0].removeprefix(f"{attack}: ") if notes else "its scores resolve no AUC"


def _left_out(homes: Mapping[str, Path], found: Found, attack: str) -> Iterator[str]:
    for side, home in homes.items():
        for row in found[side].rows:
            if reason := _impossible(row, attack):
                yield f"{row.slug} of {home} has no {attack_name(attack)}: {reason}"


def _rows(side: str, results: RunResults, attack: str) -> Iterator[dict[str, Any]]:
    for row in results.rows:
        attacked = row.attacks.get(attack)
        yield {
            "run": side,
            "slug": row.slug,
            "utility": row.utility._asdict(),
            **{m: None if attacked is None else attacked[m]._asdict() for m in METRICS},
        }


def _curves(side: str, home: Path, results: RunResults, attack: str) -> dict[Method, Curve]:
    """The curve of each method, its points on the draws of their place in the fleet."""
    points: dict[Method, tuple[Point, ...]] = {}
    for row in results.rows:
        if _impossible(row, attack):
            continue
        found = tuple(
            point(
                scores.scores,
                scores.membership,
                utility,
                label=label,
                targets=scores.targets,
                resampling=Bootstrap(
                    len(scores.targets) if results.targets is None else results.targets,
                    len(scores.examples),
                    results.config["resamples"],
                ),
            )
            for label, scores, utility in _settings(home, row.slug, attack)
        )
        region = None if row.region == "-" else row.region
        own = Method(method_name(row.recipe, region, row.defence), region is not None)
        points[own] = (*points.get(own, ()), *found)
    return {
        own: Curve(f"{own.name} ({side})", found, results.measure) for own, found in points.items()
    }


def _settings(home: Path, slug: str, attack: str) -> Iterator[tuple[str, Scores, np.ndarray]]:
    """The stops of a recipe and its end: a label, the attack's scores, and the utility."""
    for stop in read_stops(home, slug, attack):
        yield f"{slug}, stopped after {stop.epochs}", stop.scores, stop.utility
    end = read_scores(home, slug, attack)
    if end is None:
        raise Refused(f"{home} has lost the scores of {slug}: run the study again")
    utility = _array(home / "signals" / "utility" / f"{slug}.npy")
    yield slug, end, utility[end.targets][:, end.examples]


def _array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Refused(f"{path} is lost or damaged ({error}); {AGAIN}") from error


def _comparisons(sides: Mapping[str, Mapping[Method, Curve]], attack: str) -> list[dict[str, Any]]:
    return matched_utilities(_pairs(sides), attack=attack_name(attack)) if sides else []


def _pairs(sides: Mapping[str, Mapping[Method, Curve]]) -> list[tuple[Curve, Curve]]:
    a, b = sides["a"], sides["b"]
    pairs = [(a[own], b[own]) for own in a if own in b] or [
        (x, y) for x in a.values() for y in b.values()
    ]
    curves = [part for side in sides.values() for part in side.items()]
    free = [curve for own, curve in curves if not own.protects]
    if len(free) < 2:
        return pairs
    hull = tuned_rivals(free)
    return pairs + [(curve, hull) for own, curve in curves if own.protects]


def _differences(one: Any, other: Any, path: str = "") -> list[dict[str, Any]]:
    """The leaves in which two configurations differ, by dotted path."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])
        parts = [
            _differences(one.get(key), other.get(key), f"{path}.{key}" if path else key)
            for key in keys
        ]
        return [difference for part in parts for difference in part]
    if path == "recipes":
        return []  # the rows tell them apart
    return [] if one == other else [{"key": path, "a": one, "b": other}]
