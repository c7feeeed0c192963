"""Choose a setting by a tuning run, before the fresh fleet that will evaluate it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pptp_jax.evaluation.method import RIVALS
from pptp_jax.evaluation.results import RunResults
from pptp_jax.evaluation.run_files import AGAIN, read_study_results
from pptp_jax.evaluation.schema import plain
from pptp_jax.validation import Refused


def choose_setting(directory: Path) -> dict[str, Any]:
    """The settings with a region, ranked by how surely they lie above the hull of tuned rivals.

    A setting is a recipe at its end, or at a stop on its way. It lies above the hull where the
    entire 95 % interval of its margin is above zero, and ranks by the lower end of this interval:
    the largest of many margins is large in part by luck. That luck stays in the margin of the
    setting that is taken, so only a fleet of another seed tells what the setting is worth.

    Args:
        directory: of a finished run of a study, on a fleet for choices.

    Returns:
        Plain data: `ranking`, the settings, the best first and those at the end that leak less
        than any rival; `take`, the first of them if it lies above the hull, else
        None; `sentence`, which says so; `attack`, by whose AUC strength is measured; `measure` and
        `gain`, the name of the utility and of a margin's unit.

    Raises:
        ValueError: if the directory holds no finished run of a study, or the run has nothing to
            rank.
    """
    results = read_study_results(directory)
    if not results.margins:
        raise Refused(f"{directory} has nothing to choose from: {_reason(results)}")
    ranking = sorted(results.margins, key=_lower_end, reverse=True)
    take = ranking[0] if _lower_end(ranking[0]) > 0 else None
    return {
        "attack": results.compared,
        "measure": results.utility_name,
        "gain": results.measure.gain,
        "ranking": plain(ranking),
        "take": plain(take),
        "sentence": _sentence(results, ranking[0], take is not None),
    }


def _lower_end(setting: Mapping[str, Any]) -> float:
    low = setting["margin"].low
    return float("-inf") if low is None else float(low)


def _reason(results: RunResults) -> str:
    regions = [row.region != "-" for row in results.rows]
    if not any(regions):
        return "none of its recipes protects a region"
    if all(regions):
        return "each of its recipes protects a region, and none is left as a rival"
    return f"it has no margins, because another version wrote it or no attack worked; {AGAIN}"


def _sentence(results: RunResults, best: Mapping[str, Any], above: bool) -> str:
    stop = "" if best["stop"] is None else f" (stopped after {best['stop']})"
    name, margin = f"{best['recipe']}{stop}", best["margin"]
    if above:
        return (
            f"Take {name} to a fleet of another seed: it {results.measure.keeps} "
            f"{results.measure.more(margin)} than the {RIVALS} at its attack strength."
        )
    if margin.value is None:
        return f"No setting leaks as much as the {RIVALS} do at least: widen their sweep."
    return (
        f"No setting lies above the hull of the {RIVALS} by its entire interval; the nearest is "
        f"{name}, by {results.measure.amount(margin)}."
    )
