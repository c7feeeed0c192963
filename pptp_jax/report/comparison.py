"""The verdicts of comparisons at matched attack strength, for a terminal."""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from pptp_jax.evaluation.matched_comparison import statistic_name
from pptp_jax.evaluation.measure import POINTS
from pptp_jax.evaluation.method import RIVALS
from pptp_jax.evaluation.schema import typed
from pptp_jax.metrics import Estimate

RIVALS_EXPLAINED = (
    f"The {RIVALS} are all methods without a protected region, as one curve. Its best settings are "
    "chosen on the fleets of the measurement, which favours them."
)


def render_comparison(comparisons: Sequence[Mapping[str, Any]], width: int = 200) -> str:
    """One line a pair with its mean difference in utility, then the sentences on the AUC.

    Args:
        comparisons: what `MatchedComparison.to_json` gives.
        width: that of the table, in characters; sentences are not broken.

    Returns:
        The table and the verdicts, as plain text.

    Examples:
        >>> found = {"a": "freeze", "b": "early stopping", "statistic": "auc", "attack": "LiRA"}
        >>> found |= {"gain": "points more"}
        >>> found |= {"common": [0.6, 0.7], "mean": {"value": 0.042, "low": 0.03, "high": 0.05}}
        >>> print(render_comparison([found | {"verdict": "At equal ..."}]).splitlines()[-1])
        At equal ...
    """
    comparisons = typed(comparisons)
    gain = comparisons[0]["gain"] if comparisons else "more"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("a", "b", "attack", "from", "to", f"{gain} in a", "95 % interval"):
        right = column not in ("a", "b", "attack")
        table.add_column(column, justify="right" if right else "left", no_wrap=right)
    for found in comparisons:
        digits = 3 if found["statistic"] == "auc" else 4
        ends = [f"{x:.{digits}f}" for x in found["common"] or ()] or ["-", "-"]
        attack = f"{found['attack']} {statistic_name(found['statistic'])}"
        table.add_row(
            found["a"],
            found["b"],
            attack,
            *ends,
            *gain_cells(found["mean"], gain),
        )
    text = StringIO()
    Console(file=text, width=width, color_system=None).print(table, markup=False)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    areas = [found["verdict"] for found in comparisons if found["statistic"] == "auc"]
    hull = [RIVALS_EXPLAINED] if any(found["b"] == RIVALS for found in comparisons) else []
    return "\n".join([*lines, *hull, *areas])


def gain_cells(estimate: Estimate, gain: str) -> tuple[str, str]:
    """A difference in utility and its interval, in the unit that `Measure.gain` names."""
    value, low, high = estimate
    if value is None or low is None or high is None:
        return "n/a", "n/a"
    scale, digits = (100, 1) if gain == POINTS else (1, 3)
    # Adding 0 takes the sign off a rounded zero.
    shown, *ends = (f"{round(scale * x, digits) + 0.0:+.{digits}f}" for x in (value, low, high))
    return shown, f"[{', '.join(ends)}]"
