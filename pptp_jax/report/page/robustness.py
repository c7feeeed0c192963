"""What the page shows of accuracies on disturbed inputs."""

from collections.abc import Mapping, Sequence
from typing import Any

from pptp_jax.evaluation.results import RecipeResult
from pptp_jax.report.robustness import measure_name, measured, trial_name


def robustness_table(rows: Sequence[RecipeResult]) -> dict[str, Any]:
    """The table's columns, rows and warnings; empty if the study does not measure robustness.

    Args:
        rows: those of the results.
    """
    known = measured(rows)
    if not known:
        return {}
    first = known[0].robustness

    def cells(found: Mapping[str, Any]) -> list[Any]:
        of_measures = [measure["mean"] for measure in found.get("measures", ())]
        return [*(trial["accuracy"] for trial in found["trials"]), *of_measures]

    return {
        "examples": first["examples"],
        "titles": [
            *map(trial_name, first["trials"]),
            *map(measure_name, first.get("measures", ())),
        ],
        "rows": [(row, cells(row.robustness)) for row in known],
        "warnings": [(row, told) for row in known for told in row.robustness["warnings"]],
    }
