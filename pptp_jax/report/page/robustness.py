"""What the page shows of accuracies on disturbed inputs."""

from collections.abc import Sequence
from typing import Any

from pptp_jax.evaluation.results import RecipeResult
from pptp_jax.report.robustness import measured, trial_name


def robustness_table(rows: Sequence[RecipeResult]) -> dict[str, Any]:
    """The table's columns, rows and warnings; empty if nobody asked.

    Args:
        rows: those of the results.
    """
    known = measured(rows)
    if not known:
        return {}
    return {
        "examples": known[0].robustness["examples"],
        "titles": [trial_name(trial) for trial in known[0].robustness["trials"]],
        "rows": [(row, [t["accuracy"] for t in row.robustness["trials"]]) for row in known],
        "warnings": [(row, told) for row in known for told in row.robustness["warnings"]],
    }
